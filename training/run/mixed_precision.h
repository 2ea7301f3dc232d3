// Convolutions and products in bf16 while weights, sums of gradients and losses stay in fp32 (autocast): on a GPU, as
// the recipe had it; on a CPU nothing changes.
#ifndef VIDEODIFFCR_TRAINING_RUN_MIXED_PRECISION_H_
#define VIDEODIFFCR_TRAINING_RUN_MIXED_PRECISION_H_

#include <ATen/autocast_mode.h>
#include <c10/core/Device.h>

namespace videodiffcr::training {

// As long as it lives, on this thread. Backward passes may run after its end.
class MixedPrecision {
 public:
  explicit MixedPrecision(at::Device device) : enabled_(device.is_cuda()) {
    if (!enabled_) return;
    at::autocast::set_autocast_enabled(at::kCUDA, true);
    at::autocast::set_autocast_dtype(at::kCUDA, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~MixedPrecision() {
    if (!enabled_) return;
    // Weights change before the next pass: their bf16 copies must not live on.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCUDA, false);
  }
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

 private:
  const bool enabled_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_MIXED_PRECISION_H_
