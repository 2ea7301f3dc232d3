// Time as the scheduler and the server see it: one real implementation here, a manual one in
// tests/fakes/manual_clock.h.
//
// Steady (system/steady_time.h): good for differences and deadlines, and without a meaning outside the process.
#ifndef VIDEODIFFCR_THREADING_CLOCK_H_
#define VIDEODIFFCR_THREADING_CLOCK_H_

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "system/steady_time.h"
#include "threading/mutex.h"

namespace videodiffcr {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;  // any thread

  // Releases `mutex`, waits until `condition` is notified or `deadline` has come, and holds the mutex again on return.
  // It may wake without a reason, so call it in a loop. Part of the clock because a manual one must end the wait when
  // it is moved.
  virtual void WaitUntil(absl::Time deadline, CondVar* condition, Mutex* mutex)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return SteadyNow(); }
  void WaitUntil(absl::Time deadline, CondVar* condition, Mutex* mutex) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (deadline == absl::InfiniteFuture()) return condition->Wait(mutex);
    // A wait of a day at most: far deadlines overflow some implementations, and the caller loops anyway.
    const absl::Duration timeout = std::min(deadline - Now(), absl::Hours(24));
    if (timeout > absl::ZeroDuration()) condition->WaitFor(mutex, absl::ToChronoNanoseconds(timeout));
  }
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_THREADING_CLOCK_H_
