// Counts the calls that are open, so that a drain can wait for their last bytes.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_GATE_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_GATE_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe.
class CallGate {
 public:
  // `clock` outlives the gate.
  explicit CallGate(Clock* clock) : clock_(clock) {}

  void Enter() {
    MutexLock lock(&mutex_);
    ++open_calls_;
  }

  void Leave() {
    MutexLock lock(&mutex_);
    if (--open_calls_ == 0) emptied_.NotifyAll();
  }

  int open_calls() {
    MutexLock lock(&mutex_);
    return open_calls_;
  }

  // Until no call is open, or until `deadline`. Whether none is.
  bool WaitUntilEmpty(absl::Time deadline) {
    MutexLock lock(&mutex_);
    while (open_calls_ > 0) {
      if (clock_->Now() >= deadline) return false;
      clock_->WaitUntil(deadline, &emptied_, &mutex_);
    }
    return true;
  }

 private:
  Clock* const clock_;
  Mutex mutex_;
  CondVar emptied_;
  int open_calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_GATE_H_
