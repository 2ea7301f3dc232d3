// Runs a stage step by step, and again from where it stopped: checkpoints, progress, losses.
#ifndef VIDEODIFFCR_TRAINING_RUN_TRAINING_RUN_H_
#define VIDEODIFFCR_TRAINING_RUN_TRAINING_RUN_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/state_row.h"

namespace videodiffcr::training {

struct StepResult {
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;  // before clipping
};

// One thing to train. Step n depends on the state and on (seed, n) alone: that is what makes a run resumable.
class TrainingStage {
 public:
  virtual ~TrainingStage() = default;

  virtual std::string name() const = 0;
  virtual int64_t total_steps() const = 0;
  // What must be the same for a checkpoint to be gone on with: seed, batch size, ...
  virtual std::map<std::string, std::string> settings() const = 0;
  // Everything that steps change. The rows' tensors live as long as the stage.
  virtual std::vector<StateRow> State() = 0;
  virtual absl::StatusOr<StepResult> Step(int64_t step) = 0;
  // Called once, after the last step: puts the result where it is served from.
  virtual absl::Status Finish() = 0;
};

struct TrainingRunOptions {
  std::string run_folder;         // checkpoint.safetensors, loss.csv and loss.svg; made when missing
  int64_t checkpoint_every = 50;  // steps
  double max_seconds = 0;         // stop in good order after so long; 0: no limit
  int64_t max_steps = 0;          // of this call; 0: no limit
  bool finish_at_limit = false;   // a limit ends the run for good: Finish() with what there is
  bool keep = true;               // else steps are only passed, for who measures them: no checkpoint, no result
  // The processes that run the same stage with these options. All load the checkpoint; rank 0 alone writes, shows
  // progress, and says when a limit is reached.
  GradientExchange* exchange = SingleProcess::Instance();
};

enum class RunEnd {
  kFinished,  // all steps done and Finish() called, now or by an earlier call
  kPaused,    // a limit was reached; the next call goes on
  kMeasured,  // nothing was kept
};

// A loss or gradient that is not finite ends the run with an error that names the step; the last checkpoint stays, as
// it does when one cannot be written. Progress goes to `progress` about once a second.
absl::StatusOr<RunEnd> RunTraining(TrainingStage& stage, const TrainingRunOptions& options, std::ostream& progress);

// "routers: step 120 of 400, loss 0.5123, 3.10 steps/s, 1 min 30 s left".
std::string ProgressLine(const TrainingStage& stage, int64_t steps_done, double loss, double steps_per_second);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_TRAINING_RUN_H_
