// What its calls tell of a connection, for whoever may have to close it.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_USE_H_
#define VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_USE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "threading/mutex.h"

namespace videodiffcr {

struct ConnectionUse {
  int calls = 0;           // that are open; only those that matter, see ConnectionUses::Call
  int silent_calls = 0;    // of these, that have not had their first message
  int64_t news = 0;        // changes whenever something that the peer said has come to its end
  int64_t idle_since = 0;  // in the order in which connections came and their last calls ended
};

// Thread-safe. Outlives its calls.
class ConnectionUses {
 public:
  // From its beginning to this object's end. One thread at a time.
  class Call {
   public:
    // `connection` is the peer as gRPC names it. One that `matters` gives its connection a right to its place, and what
    // is on the way to it room; another one only shows that its connection is in order.
    Call(ConnectionUses* uses, const std::string& connection, bool matters);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // One has come, whole.
    void NoteMessage();

   private:
    ConnectionUses* const uses_;
    const bool matters_;
    bool silent_ = true;
    int64_t connection_ = 0;
  };

  // A connection that has come; what still runs of an earlier one of that name does not touch it. Its number is above
  // those that came before.
  int64_t Add(const std::string& connection);
  void Remove(int64_t number);
  // Of one that was added.
  ConnectionUse Of(int64_t number);

 private:
  struct Entry {
    std::string name;
    ConnectionUse use;
  };
  // Null when it was removed.
  ConnectionUse* Find(int64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<int64_t, Entry> connections_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t, std::less<>> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_USE_H_
