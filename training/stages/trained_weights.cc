#include "training/stages/trained_weights.h"

#include <utility>

namespace videodiffcr::training {

TrainedWeights::TrainedWeights(std::vector<WeightRow> rows, std::vector<WeightRow> parameters,
                               const AdamWOptions& optimizer, const LearningRateSchedule& schedule, int64_t total_steps)
    : rows_(std::move(rows)),
      optimizer_(std::move(parameters), optimizer),
      schedule_(schedule),
      total_steps_(total_steps) {}

std::vector<WeightRow> TrainedWeights::State() {
  std::vector<WeightRow> state = rows_;
  for (WeightRow& row : optimizer_.State("adam")) state.push_back(std::move(row));
  return state;
}

absl::StatusOr<StepResult> TrainedWeights::Update(double loss, int64_t step) {
  const double rate = schedule_.At(step, total_steps_);
  const absl::StatusOr<double> norm = optimizer_.Update(rate, step);
  if (!norm.ok()) return norm.status();
  return StepResult{loss, rate, *norm};
}

}  // namespace videodiffcr::training
