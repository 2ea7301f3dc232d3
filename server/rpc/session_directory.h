// The sessions that a caller may find again: by name, by the id of the start that made them; and how long those wait
// that no call is connected to.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_DIRECTORY_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// What the directory needs to know of a session.
class DirectoryEntry {
 public:
  virtual ~DirectoryEntry() = default;
  virtual const std::string& name() const = 0;
  virtual const std::string& request_id() const = 0;  // empty: none
  // Nobody has connected to it in time, or others need its memory: it ends, unless it has left off waiting for the
  // `turn`th time. From the directory's thread or from whoever leaves a session to wait, without a lock of the
  // directory.
  virtual void OnGraceOver(int64_t turn) = 0;
};

// Thread-safe. Has a thread of its own, which waits for the next session whose time is up.
class SessionDirectory {
 public:
  // `clock` outlives this. `max_waiting_bytes`: of sessions that wait and have nothing to do any more.
  SessionDirectory(absl::Duration grace, int64_t max_waiting_bytes, Clock* clock);
  ~SessionDirectory();
  SessionDirectory(const SessionDirectory&) = delete;
  SessionDirectory& operator=(const SessionDirectory&) = delete;

  // Null, or the session that has the same request id; then nothing was added.
  std::shared_ptr<DirectoryEntry> Add(const std::shared_ptr<DirectoryEntry>& session);

  // Null when there is none.
  std::shared_ptr<DirectoryEntry> Find(const std::string& name);

  // No call is connected to `session`: OnGraceOver(turn) comes after the grace, or earlier when `bytes`, which is what
  // it holds if it is over and 0 if it runs, are too many together with those of others that wait. Then the oldest go
  // first.
  void Wait(const DirectoryEntry& session, int64_t turn, int64_t bytes);
  // A call is, again.
  void EndWait(const DirectoryEntry& session);

  // Forgets it. Unknown names are ignored.
  void Remove(const DirectoryEntry& session);

 private:
  struct Waiting {
    std::shared_ptr<DirectoryEntry> session;
    int64_t turn = 0;
    absl::Time until;
    int64_t bytes = 0;
  };
  void Run();
  // Waits for it. Its session is null when the directory goes away.
  Waiting NextThatIsOver();

  const absl::Duration grace_;
  const int64_t max_waiting_bytes_;
  Clock* const clock_;

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<DirectoryEntry>, std::less<>> by_name_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string, std::less<>> name_of_request_ ABSL_GUARDED_BY(mutex_);
  // All wait equally long, so the oldest is the next.
  std::list<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  std::thread thread_;  // last: it uses the others
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_DIRECTORY_H_
