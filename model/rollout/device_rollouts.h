// The rollouts of each device, made of a transformer that is loaded; behind CreateLatentRollout().
#ifndef VIDEODIFFCR_MODEL_ROLLOUT_DEVICE_ROLLOUTS_H_
#define VIDEODIFFCR_MODEL_ROLLOUT_DEVICE_ROLLOUTS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/config/noise_schedule.h"
#include "model/plain/transformer/transformer_weights.h"
#include "model/rollout/latent_rollout.h"

namespace videodiffcr {

// `weights` fp32 on the CPU.
absl::StatusOr<std::unique_ptr<LatentRollout>> MakeCpuRollout(ModelConfig config, TransformerWeights weights,
                                                              const StepSchedule& schedule,
                                                              const LatentRolloutOptions& options);

// `weights` fp32 on the current CUDA device, for the preset cuda.
absl::StatusOr<std::unique_ptr<LatentRollout>> MakeGpuRollout(ModelConfig config, TransformerWeights weights,
                                                              const StepSchedule& schedule,
                                                              const LatentRolloutOptions& options);

// InvalidArgument as LatentRollout::Begin() has it.
absl::Status CheckClips(const TransformerConfig& config, const std::vector<RolloutClip>& clips, int most_clips);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_ROLLOUT_DEVICE_ROLLOUTS_H_
