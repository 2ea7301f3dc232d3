#include "client/running_calls.h"

#include "system/steady_time.h"

namespace videodiffcr {

bool RunningCalls::Add(VideoCall* call) {
  MutexLock lock(&mutex_);
  if (cancelled_) return false;
  any_ = true;
  calls_.insert(call);
  return true;
}

void RunningCalls::Remove(VideoCall* call) {
  MutexLock lock(&mutex_);
  calls_.erase(call);
}

bool RunningCalls::CancelAll() {
  MutexLock lock(&mutex_);
  cancelled_ = true;
  for (VideoCall* call : calls_) call->Cancel();
  changed_.NotifyAll();
  return any_;
}

bool RunningCalls::cancelled() const {
  MutexLock lock(&mutex_);
  return cancelled_;
}

bool RunningCalls::any_open() const {
  MutexLock lock(&mutex_);
  return !calls_.empty();
}

bool RunningCalls::Sleep(absl::Duration time) {
  const absl::Time end = SteadyNow() + time;
  MutexLock lock(&mutex_);
  for (absl::Duration left = time; !cancelled_ && left > absl::ZeroDuration(); left = end - SteadyNow()) {
    changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(left));
  }
  return !cancelled_;
}

}  // namespace videodiffcr
