// Passes of a student that is no row of a retention table: it predicts in its own way and remembers what it predicted;
// the context pass is dense.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_PRUNED_NETWORK_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_PRUNED_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "training/model/training_model.h"
#include "training/students/student.h"

namespace videodiffcr::training {

class PrunedNetwork : public StudentNetwork {
 public:
  TextKeys MakeText(const at::Tensor& hidden) override { return MakeTextKeys(network_, hidden); }
  at::Tensor Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) override;
  std::vector<KeysValues> ContextKeys(const at::Tensor& latents, const RolloutState& state) override;

 protected:
  // `network`: in the type of the passes.
  PrunedNetwork(const TrainingModel& model, DiffusionTransformer network)
      : schedule_(model.schedule), network_(std::move(network)) {}

  // Flow of `latents`, which are in the network's type and carry no gradients.
  virtual at::Tensor Predict(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) = 0;

  const DiffusionTransformer& network() const { return network_; }
  float timestep(size_t step) const { return schedule_.timesteps[step]; }
  // x0 of this chunk, as the step before predicted it; undefined before the first. Without gradients.
  const at::Tensor& estimate() const { return estimate_; }
  // The chunk before; undefined in the first.
  const at::Tensor& finished() const { return finished_; }

 private:
  at::Tensor Enter(const at::Tensor& latents) const {
    return latents.detach().to(network_.weights.head.weight.scalar_type());
  }

  const StepSchedule schedule_;
  const DiffusionTransformer network_;
  at::Tensor estimate_, finished_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_PRUNED_NETWORK_H_
