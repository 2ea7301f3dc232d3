// Starts the processes of a run and watches them: all end well, or none goes on.
#ifndef VIDEODIFFCR_TRAINING_PARALLEL_RANK_LAUNCHER_H_
#define VIDEODIFFCR_TRAINING_PARALLEL_RANK_LAUNCHER_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/parallel/rank_sockets.h"

namespace videodiffcr::training {

struct RankCommand {
  std::vector<std::string> arguments;  // the program's path first
  int64_t world = 2;
  // For each rank its GPU, as CUDA_VISIBLE_DEVICES names it; empty: nothing is said about GPUs.
  std::vector<std::string> gpus;
};

// Runs the command once per rank, to the end. Rank 0 has this process's standard error; what the others say is kept and
// shown only if they fail. When one fails or is killed, the rest get a second to say why they cannot go on and are
// killed then; the error names the ranks that failed and gives their last words, which `errors` gets, too, in full.
// A rank dies when this process does, however that ends.
absl::Status RunRanks(const RankCommand& command, std::ostream& errors);

// The place of this process when RunRanks() started it; its sockets are open. Nothing in any other process.
// InvalidArgument when the environment names a place that cannot be.
absl::StatusOr<std::optional<RankPlace>> PlaceOfThisProcess();

// The GPUs of ranks 0 to world - 1: of those that CUDA_VISIBLE_DEVICES names (`visible`, null when it is not set) the
// first ones, else "0", "1", ... InvalidArgument when it names fewer.
absl::StatusOr<std::vector<std::string>> GpusOfRanks(int64_t world, const char* visible);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PARALLEL_RANK_LAUNCHER_H_
