#include "training/run/training_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "training/run/checkpoint.h"
#include "training/run/loss_log.h"

namespace videodiffcr::training {
namespace {

class Run {
 public:
  Run(TrainingStage& stage, const TrainingRunOptions& options, std::ostream& progress)
      : stage_(stage),
        options_(options),
        progress_(progress),
        checkpoint_(options.run_folder + "/checkpoint.safetensors") {}

  absl::StatusOr<RunEnd> Train() {
    absl::StatusOr<int64_t> first = Resume();
    if (!first.ok()) return first.status();
    absl::StatusOr<LossLog> log = LossLog::Open(options_.run_folder + "/loss.csv", *first);
    if (!log.ok()) return log.status();
    const absl::Time start = absl::Now();
    int64_t step = *first;
    while (step < stage_.total_steps() && !LimitReached(step - *first, start)) {
      if (absl::Status status = RunStep(step, *log); !status.ok()) return status;
      ++step;
      ShowProgress(step, *first, log->entries().back().loss, start);
      if (step % options_.checkpoint_every != 0 && step < stage_.total_steps()) continue;
      if (absl::Status saved = Save(step, *log); !saved.ok()) return saved;
    }
    progress_ << "\n";
    if (absl::Status saved = Save(step, *log); !saved.ok()) return saved;
    if (absl::Status drawn = Plot(*log); !drawn.ok()) return drawn;
    if (step < stage_.total_steps() && !options_.finish_at_limit) return RunEnd::kPaused;
    if (absl::Status finished = stage_.Finish(); !finished.ok()) return finished;
    return RunEnd::kFinished;
  }

 private:
  absl::StatusOr<int64_t> Resume() {
    std::error_code error;
    std::filesystem::create_directories(options_.run_folder, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("run folder ", options_.run_folder, ": cannot be made: ", error.message()));
    }
    if (!std::filesystem::exists(checkpoint_)) return 0;
    const absl::StatusOr<int64_t> step =
        ReadCheckpoint(checkpoint_, {stage_.name(), 0, stage_.settings()}, stage_.State());
    if (step.ok()) progress_ << stage_.name() << ": goes on at step " << *step << " of " << checkpoint_ << "\n";
    return step;
  }

  bool LimitReached(int64_t steps, absl::Time start) const {
    return (options_.max_steps > 0 && steps >= options_.max_steps) ||
           (options_.max_seconds > 0 && absl::ToDoubleSeconds(absl::Now() - start) >= options_.max_seconds);
  }

  absl::Status RunStep(int64_t step, LossLog& log) {
    const absl::StatusOr<StepResult> result = stage_.Step(step);
    const std::string where = absl::StrCat(stage_.name(), ", step ", step, ": ");
    if (!result.ok()) return absl::Status(result.status().code(), absl::StrCat(where, result.status().message()));
    if (!std::isfinite(result->loss)) {
      return absl::InternalError(absl::StrCat(where, "the loss is ", result->loss, "; ", checkpoint_,
                                              " is as it was: go on from there with a lower learning rate"));
    }
    log.Add({step, result->loss, result->learning_rate, result->gradient_norm});
    return absl::OkStatus();
  }

  void ShowProgress(int64_t done, int64_t first, double loss, absl::Time start) {
    const absl::Time now = absl::Now();
    if (now - last_shown_ < absl::Seconds(1) && done < stage_.total_steps()) return;
    last_shown_ = now;
    const double seconds = std::max(1e-6, absl::ToDoubleSeconds(now - start));
    progress_ << "\r" << ProgressLine(stage_, done, loss, static_cast<double>(done - first) / seconds) << "  "
              << std::flush;
  }

  absl::Status Save(int64_t step, LossLog& log) {
    if (step == saved_step_) return absl::OkStatus();
    if (absl::Status flushed = log.Flush(); !flushed.ok()) return flushed;
    const absl::Status saved = WriteCheckpoint(checkpoint_, {stage_.name(), step, stage_.settings()}, stage_.State());
    if (saved.ok()) saved_step_ = step;
    return saved;
  }

  absl::Status Plot(const LossLog& log) const {
    const std::string path = options_.run_folder + "/loss.svg";
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << PlotLoss(stage_.name() + ": loss", log.entries());
    file.close();
    return file ? absl::OkStatus() : absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  }

  TrainingStage& stage_;
  const TrainingRunOptions& options_;
  std::ostream& progress_;
  const std::string checkpoint_;
  int64_t saved_step_ = -1;
  absl::Time last_shown_ = absl::InfinitePast();
};

}  // namespace

std::string ProgressLine(const TrainingStage& stage, int64_t steps_done, double loss, double steps_per_second) {
  const int64_t left = stage.total_steps() - steps_done;
  const int64_t seconds =
      steps_per_second > 0 ? static_cast<int64_t>(std::ceil(static_cast<double>(left) / steps_per_second)) : 0;
  return absl::StrFormat("%s: step %d of %d, loss %.4f, %.2f steps/s, %d min %d s left", stage.name(), steps_done,
                         stage.total_steps(), loss, steps_per_second, seconds / 60, seconds % 60);
}

absl::StatusOr<RunEnd> RunTraining(TrainingStage& stage, const TrainingRunOptions& options, std::ostream& progress) {
  return Run(stage, options, progress).Train();
}

}  // namespace videodiffcr::training
