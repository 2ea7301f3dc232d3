#include "training/stages/trained_weights.h"

#include <utility>

namespace videodiffcr::training {

TrainedWeights::TrainedWeights(std::vector<WeightRow> rows, std::vector<WeightRow> parameters,
                               const AdamWOptions& optimizer, const LearningRateSchedule& schedule,
                               const StageOptions& stage)
    : rows_(std::move(rows)),
      optimizer_(std::move(parameters), optimizer, stage.exchange),
      schedule_(schedule),
      total_steps_(stage.steps),
      exchange_(stage.exchange) {}

std::vector<StateRow> TrainedWeights::State() {
  std::vector<StateRow> state(rows_.begin(), rows_.end());
  for (StateRow& row : optimizer_.State("adam")) state.push_back(std::move(row));
  return state;
}

absl::StatusOr<StepResult> TrainedWeights::Update(double loss, int64_t step) {
  const double rate = schedule_.At(step, total_steps_);
  const absl::StatusOr<double> norm = optimizer_.Update(rate, step);
  if (!norm.ok()) return norm.status();
  const absl::StatusOr<double> mean = exchange_->Mean(loss);
  if (!mean.ok()) return mean.status();
  return StepResult{*mean, rate, *norm};
}

}  // namespace videodiffcr::training
