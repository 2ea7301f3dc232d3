// The streams that have not said yet what they want. Each may make the server hold a message of the largest size while
// it says nothing whole, so they are bounded, those of all connections together.
#ifndef VIDEODIFFCR_SERVER_RPC_FIRST_MESSAGE_ROOM_H_
#define VIDEODIFFCR_SERVER_RPC_FIRST_MESSAGE_ROOM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/rpc/held_place.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe. Outlives its places.
class FirstMessageRoom {
 public:
  // When one more comes than there are `places`, the oldest of the connection that has the most leaves: whoever opens
  // many streams and says nothing harms itself before it harms others.
  explicit FirstMessageRoom(size_t places) : places_(places) {}

  using Place = HeldPlace<FirstMessageRoom, int64_t>;  // by the stream's number

  // `crowd_out` ends the stream. It is called at most once, without a lock of the room, by whichever thread lets the
  // next stream in; so perhaps a moment after the place was given back.
  Place Enter(const std::string& connection, std::function<void()> crowd_out);

  // Streams that have ever come.
  int64_t entered() {
    MutexLock lock(&mutex_);
    return next_;
  }

 private:
  friend Place;
  struct Stream {
    std::string connection;
    std::function<void()> crowd_out;
  };
  void Leave(int64_t stream);
  std::map<int64_t, Stream>::iterator OldestOfTheMost() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::function<void()> Remove(std::map<int64_t, Stream>::iterator stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t places_;
  Mutex mutex_;
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);  // the oldest first
  std::map<std::string, int, std::less<>> by_connection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_FIRST_MESSAGE_ROOM_H_
