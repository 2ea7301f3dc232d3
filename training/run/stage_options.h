// What every stage is told.
#ifndef VIDEODIFFCR_TRAINING_RUN_STAGE_OPTIONS_H_
#define VIDEODIFFCR_TRAINING_RUN_STAGE_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/batch_piece.h"

namespace videodiffcr::training {

struct StageOptions {
  std::string model = "models/tiny";  // folder with what this stage builds on
  std::string output;                 // model folder that gets the result; what it lacks is copied from `model`
  std::string device = "cpu";
  uint64_t seed = 1;
  int64_t steps = 0;
  int64_t batch = 0;  // clips per step, of all processes together
  double learning_rate = 0;
  int64_t accumulate = 1;                                  // pieces of the batch that each process takes one by one
  GradientExchange* exchange = SingleProcess::Instance();  // the processes that train together
  // Whether backward() computes the activations of the transformer's blocks again; nothing: by the model's size. Not
  // among the settings: the result is the same.
  std::optional<bool> recompute_blocks = std::nullopt;
  int64_t timed_steps = 0;  // only so many, for the time and memory of their parts; 0: a run as any

  // What a checkpoint can only be gone on with unchanged.
  std::map<std::string, std::string> Settings() const {
    return {{"model", model},
            {"device", device},
            {"seed", absl::StrCat(seed)},
            {"steps", absl::StrCat(steps)},
            {"batch", absl::StrCat(batch)},
            {"learning rate", absl::StrCat(learning_rate)}};
  }

  // What this process takes of every batch. Not among the settings: a run goes on with any number of processes.
  std::vector<BatchPiece> Pieces() const {
    std::vector<BatchPiece> pieces;
    for (int64_t i = 0; i < accumulate; ++i) {
      pieces.push_back({i * exchange->world() + exchange->rank(), accumulate * exchange->world()});
    }
    return pieces;
  }
  int64_t PieceClips() const { return batch / (accumulate * exchange->world()); }
};

// InvalidArgument unless `processes` can share the batch evenly.
inline absl::Status CheckPieces(const StageOptions& stage, int64_t processes) {
  if (stage.batch % (processes * stage.accumulate) == 0) return absl::OkStatus();
  return WrongUsageError(absl::StrCat("--batch ", stage.batch, ": must be a multiple of ", processes,
                                      processes == 1 ? " process" : " processes", " times --accumulate ",
                                      stage.accumulate));
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_STAGE_OPTIONS_H_
