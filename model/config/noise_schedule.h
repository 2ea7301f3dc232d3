// Timesteps and noise levels of the few-step rollout as plain numbers (self_forcing_inference.md section 2).
#ifndef VIDEODIFFCR_MODEL_CONFIG_NOISE_SCHEDULE_H_
#define VIDEODIFFCR_MODEL_CONFIG_NOISE_SCHEDULE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// The shifted 1000-entry table of the reference, in fp32 as there.
class NoiseSchedule {
 public:
  explicit NoiseSchedule(double shift);

  // The timestep the network sees for a nominal one in [0, 1000]: the table's entry, not the formula's value.
  float WarpedTimestep(int nominal) const;

  // Noise level of the table entry nearest to `timestep`: for 0 that is the last entry, not 0.
  float Sigma(float timestep) const;

 private:
  std::vector<float> timesteps_;  // falling, 1000 entries
  std::vector<float> sigmas_;
};

// What one chunk goes through, noisiest first.
struct StepSchedule {
  std::vector<float> timesteps;
  std::vector<float> sigmas;

  // Then 0, the timestep of the context pass.
  std::vector<float> timesteps_and_context() const;
};

// InvalidArgument when a nominal step is no whole number in [1, 1000] or does not fall.
absl::StatusOr<StepSchedule> MakeStepSchedule(const SamplingConfig& sampling);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_NOISE_SCHEDULE_H_
