#include "training/command/train_processes.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "system/program_path.h"
#include "system/wrong_usage.h"
#include "training/model/training_model.h"
#include "training/parallel/host_exchange.h"
#include "training/parallel/nccl_exchange.h"
#include "training/parallel/rank_launcher.h"

namespace videodiffcr::training {

absl::Status CheckProcesses(const StageOptions& stage, int64_t gpus, int64_t processes) {
  if (gpus > 1 && stage.device != "cuda") {
    return WrongUsageError(absl::StrCat("--gpus ", gpus, ": needs --device cuda, not ", stage.device));
  }
  if (processes > 1 && stage.device != "cpu") {
    return WrongUsageError(
        absl::StrCat("--processes ", processes, ": needs --device cpu, not ", stage.device, "; there is --gpus"));
  }
  return CheckPieces(stage, gpus * processes);
}

absl::Status RunProcesses(std::string_view subcommand, const std::vector<std::string_view>& arguments, int64_t gpus,
                          int64_t world) {
  RankCommand command;
  command.world = world;
  if (gpus > 1) {
    const auto there = static_cast<int64_t>(at::getNumGPUs());
    if (there < gpus) {
      return WrongUsageError(absl::StrCat("--gpus ", gpus, ": this build and machine have ", there));
    }
    absl::StatusOr<std::vector<std::string>> names = GpusOfRanks(gpus, std::getenv("CUDA_VISIBLE_DEVICES"));
    if (!names.ok()) return names.status();
    command.gpus = *std::move(names);
  }
  const absl::StatusOr<std::string> self = PathOfThisProgram();
  if (!self.ok()) return self.status();
  command.arguments = {*self, std::string(subcommand)};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return RunRanks(command, std::cerr);
}

absl::StatusOr<std::unique_ptr<GradientExchange>> JoinProcesses(std::optional<RankPlace> place,
                                                                const StageOptions& stage) {
  if (!place.has_value()) return nullptr;
  const absl::StatusOr<at::Device> device = ParseDevice(stage.device);
  if (!device.ok()) return device.status();
  if (device->is_cuda()) return MakeNcclExchange(*std::move(place), *device);
  return std::make_unique<HostExchange>(*std::move(place));
}

void UseThreads(int64_t threads, int64_t world) {
  if (threads == 0 && world == 1) return;
  const int64_t shared = std::max<int64_t>(1, at::get_num_threads() / world);
  at::set_num_threads(static_cast<int>(threads > 0 ? threads : shared));
}

}  // namespace videodiffcr::training
