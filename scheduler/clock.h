// Time as the scheduler and the server see it: one real implementation here, a manual one in tests/fakes/manual_clock.h.
#ifndef VIDEODIFFCR_SCHEDULER_CLOCK_H_
#define VIDEODIFFCR_SCHEDULER_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace videodiffcr {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;  // any thread
};

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_CLOCK_H_
