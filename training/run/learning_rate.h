// Learning rate over a run: a straight warm-up, then a fall to its end. Pure.
#ifndef VIDEODIFFCR_TRAINING_RUN_LEARNING_RATE_H_
#define VIDEODIFFCR_TRAINING_RUN_LEARNING_RATE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace videodiffcr::training {

enum class LearningRateFall { kCosine, kLinear };

struct LearningRateSchedule {
  double peak = 1e-3;
  double last = 0;           // at the end of the run
  int64_t warmup_steps = 0;  // from peak / warmup_steps up to peak
  LearningRateFall fall = LearningRateFall::kCosine;

  double At(int64_t step, int64_t total_steps) const {
    if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    const double falling = static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
    const double done = std::min(1.0, static_cast<double>(step - warmup_steps) / falling);
    const double left = fall == LearningRateFall::kLinear ? 1 - done : 0.5 * (1 + std::cos(M_PI * done));
    return last + (peak - last) * left;
  }
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_LEARNING_RATE_H_
