#include "training/run/training_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "system/steady_time.h"
#include "system/whole_file.h"
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
        checkpoint_(options.run_folder + "/checkpoint.safetensors"),
        writes_(options.exchange->rank() == 0) {}

  absl::StatusOr<RunEnd> Train() {
    absl::StatusOr<int64_t> first = Resume();
    if (!first.ok()) return first.status();
    if (absl::Status same = StartAlike(*first); !same.ok()) return same;
    if (absl::Status opened = OpenLog(*first); !opened.ok()) return opened;
    const absl::Time start = SteadyNow();
    int64_t step = *first;
    while (step < stage_.total_steps()) {
      const absl::StatusOr<bool> stop = LimitReached(step - *first, start);
      if (!stop.ok()) return stop.status();
      if (*stop) break;
      if (absl::Status status = RunStep(step); !status.ok()) return status;
      ++step;
      ShowProgress(step, *first, start);
      if (step % options_.checkpoint_every != 0 && step < stage_.total_steps()) continue;
      if (absl::Status saved = Save(step); !saved.ok()) return saved;
    }
    return End(step);
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
    if (step.ok() && writes_)
      progress_ << stage_.name() << ": goes on at step " << *step << " of " << checkpoint_ << "\n";
    return step;
  }

  // All ranks begin at the same step with the same weights.
  absl::Status StartAlike(int64_t first) {
    const absl::StatusOr<std::vector<double>> steps = options_.exchange->AllGather(static_cast<double>(first));
    if (!steps.ok()) return steps.status();
    for (size_t rank = 0; rank < steps->size(); ++rank) {
      if ((*steps)[rank] == (*steps)[0]) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(checkpoint_, ": rank 0 goes on at step ", (*steps)[0], ", rank ", rank, " at ", (*steps)[rank]));
    }
    if (options_.exchange->world() == 1) return absl::OkStatus();
    std::vector<at::Tensor> state;  // what is shared out every rank has from the checkpoint, or it is as at the start
    for (const StateRow& row : stage_.State()) {
      if (row.shared == nullptr) state.push_back(*row.destination);
    }
    return options_.exchange->Broadcast(state);
  }

  absl::Status OpenLog(int64_t first) {
    if (!writes_) return absl::OkStatus();
    absl::StatusOr<LossLog> log = LossLog::Open(options_.run_folder + "/loss.csv", first);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }

  // Rank 0's word, since clocks differ.
  absl::StatusOr<bool> LimitReached(int64_t steps, absl::Time start) const {
    const bool reached =
        (options_.max_steps > 0 && steps >= options_.max_steps) ||
        (options_.max_seconds > 0 && absl::ToDoubleSeconds(SteadyNow() - start) >= options_.max_seconds);
    const absl::StatusOr<std::vector<double>> of_ranks = options_.exchange->AllGather(reached ? 1 : 0);
    if (!of_ranks.ok()) return of_ranks.status();
    return of_ranks->front() > 0;
  }

  absl::Status RunStep(int64_t step) {
    const absl::StatusOr<StepResult> result = stage_.Step(step);
    const std::string where = absl::StrCat(stage_.name(), ", step ", step, ": ");
    if (!result.ok()) return absl::Status(result.status().code(), absl::StrCat(where, result.status().message()));
    if (!std::isfinite(result->loss)) {
      return absl::InternalError(absl::StrCat(where, "the loss is ", result->loss, "; ", checkpoint_,
                                              " is as it was: go on from there with a lower learning rate"));
    }
    if (writes_) log_->Add({step, result->loss, result->learning_rate, result->gradient_norm});
    return absl::OkStatus();
  }

  void ShowProgress(int64_t done, int64_t first, absl::Time start) {
    if (!writes_) return;
    const absl::Time now = SteadyNow();
    if (now - last_shown_ < absl::Seconds(1) && done < stage_.total_steps()) return;
    last_shown_ = now;
    const double seconds = std::max(1e-6, absl::ToDoubleSeconds(now - start));
    progress_ << "\r"
              << ProgressLine(stage_, done, log_->entries().back().loss, static_cast<double>(done - first) / seconds)
              << "  " << std::flush;
  }

  absl::Status Save(int64_t step) {
    if (!options_.keep || step == saved_step_) return absl::OkStatus();
    if (writes_) {
      if (absl::Status flushed = log_->Flush(); !flushed.ok()) return flushed;
    }
    const absl::Status saved =
        WriteCheckpoint(checkpoint_, {stage_.name(), step, stage_.settings()}, stage_.State(), writes_);
    if (saved.ok()) saved_step_ = step;
    return saved;
  }

  absl::StatusOr<RunEnd> End(int64_t step) {
    const RunEnd end = step < stage_.total_steps() && !options_.finish_at_limit ? RunEnd::kPaused : RunEnd::kFinished;
    if (writes_) progress_ << "\n";
    if (!options_.keep) return RunEnd::kMeasured;
    if (absl::Status saved = Save(step); !saved.ok()) return saved;
    if (!writes_) return end;
    if (absl::Status drawn = Plot(*log_); !drawn.ok()) return drawn;
    if (end == RunEnd::kPaused) return end;
    if (absl::Status finished = stage_.Finish(); !finished.ok()) return finished;
    return end;
  }

  absl::Status Plot(const LossLog& log) const {
    return WriteWholeFile(options_.run_folder + "/loss.svg", PlotLoss(stage_.name() + ": loss", log.entries()));
  }

  TrainingStage& stage_;
  const TrainingRunOptions& options_;
  std::ostream& progress_;
  const std::string checkpoint_;
  const bool writes_;
  std::optional<LossLog> log_;  // of who writes
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
