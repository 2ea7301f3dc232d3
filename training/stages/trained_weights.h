// Weights that a stage trains with one optimiser: what a step does once backward() has left its gradients, and what a
// checkpoint holds of them.
#ifndef VIDEODIFFCR_TRAINING_STAGES_TRAINED_WEIGHTS_H_
#define VIDEODIFFCR_TRAINING_STAGES_TRAINED_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/run/adam_w.h"
#include "training/run/learning_rate.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

class TrainedWeights {
 public:
  // `parameters` are those of `rows` that the optimiser changes; the schedule falls over the stage's steps. The rows'
  // tensors live as long as this object.
  TrainedWeights(std::vector<WeightRow> rows, std::vector<WeightRow> parameters, const AdamWOptions& optimizer,
                 const LearningRateSchedule& schedule, const StageOptions& stage);
  // All of them.
  TrainedWeights(const std::vector<WeightRow>& rows, const AdamWOptions& optimizer,
                 const LearningRateSchedule& schedule, const StageOptions& stage)
      : TrainedWeights(rows, rows, optimizer, schedule, stage) {}

  const std::vector<WeightRow>& rows() const { return rows_; }

  // The rows, and the optimiser's state as "adam".
  std::vector<StateRow> State();

  // As AdamW's: the step's last backward() is the next.
  void LastBackwardFollows() { optimizer_.LastBackwardFollows(); }

  // Ends step `step`, whose loss was `loss` at this process: one update at the schedule's learning rate. The result's
  // loss is the mean over all processes. Errors as AdamW::Update().
  absl::StatusOr<StepResult> Update(double loss, int64_t step);

 private:
  const std::vector<WeightRow> rows_;
  AdamW optimizer_;
  const LearningRateSchedule schedule_;
  const int64_t total_steps_;
  GradientExchange* const exchange_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_TRAINED_WEIGHTS_H_
