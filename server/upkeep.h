// What has to be looked after while the server serves, turn by turn.
#ifndef VIDEODIFFCR_SERVER_UPKEEP_H_
#define VIDEODIFFCR_SERVER_UPKEEP_H_

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/sockets/port_probe.h"
#include "threading/mutex.h"

namespace videodiffcr {

struct CallCensus {
  int open = 0;       // that have sent their first message
  int64_t begun = 0;  // since the server began
};

// When the allocator is to give back what ended calls have left with it. It keeps freed memory for the next call, which
// after a storm of them never comes; giving it back takes milliseconds, in which allocations wait.
class TrimPolicy {
 public:
  // Whether to do it now: no call is open and none has begun since the turn before (then twice), or many have begun
  // since the last time. Once a turn.
  bool Decide(const CallCensus& census);

 private:
  int64_t begun_at_last_turn_ = 0;
  int64_t begun_at_last_trim_ = 0;
  int quiet_trims_left_ = 0;
};

// One thread of its own. It opens a connection to the server's own port and says whether HTTP/2 answers there, gives
// memory back, and looks whether files have changed.
class Upkeep {
 public:
  // All three are called by the thread: `census` and `look_at_files` every turn, `tell` every fifth, with OK or why
  // nobody can reach the server.
  Upkeep(absl::Duration turn, const OwnPort& port, std::function<CallCensus()> census,
         std::function<void(const absl::Status&)> tell, std::function<void()> look_at_files = nullptr);
  ~Upkeep();

 private:
  void Run();
  // False when the time has come to leave.
  bool SleepATurn();

  const absl::Duration turn_;
  const OwnPort port_;
  const std::function<CallCensus()> census_;
  const std::function<void(const absl::Status&)> tell_;
  const std::function<void()> look_at_files_;
  Mutex mutex_;
  CondVar stopping_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_UPKEEP_H_
