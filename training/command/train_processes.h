// --gpus and --processes: one stage, trained by several processes of this program.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_TRAIN_PROCESSES_H_
#define VIDEODIFFCR_TRAINING_COMMAND_TRAIN_PROCESSES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/parallel/gradient_exchange.h"
#include "training/parallel/rank_sockets.h"
#include "training/run/stage_options.h"

namespace videodiffcr::training {

// InvalidArgument naming the flag: GPUs without --device cuda, processes with it, more GPUs than there are, a batch
// that they cannot share evenly.
absl::Status CheckProcesses(const StageOptions& stage, int64_t gpus, int64_t processes);

// Runs this program's subcommand again, once per process, and waits for their end.
absl::Status RunProcesses(std::string_view subcommand, const std::vector<std::string_view>& arguments, int64_t gpus,
                          int64_t world);

// The exchange of a process that RunProcesses() started; null when it was not. Waits for the others.
absl::StatusOr<std::unique_ptr<GradientExchange>> JoinProcesses(std::optional<RankPlace> place,
                                                                const StageOptions& stage);

// `threads` processor threads; 0: LibTorch's choice, shared among the processes.
void UseThreads(int64_t threads, int64_t world);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_TRAIN_PROCESSES_H_
