#include "training/command/regress_command.h"

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "command_line/flag_reader.h"
#include "command_line/standard_streams.h"
#include "training/model/training_model.h"
#include "training/students/router_regression.h"

namespace videodiffcr::training {
namespace {

struct RegressOptions {
  std::string model = "models/tiny";
  std::string device = "cpu";
  int64_t clips = 32;
  uint64_t seed = 1;
};

void AddFlags(RegressOptions* options, Command* command) {
  command->AddFlag({"model", "FOLDER", "Model folder of the tiny kind.", "out/tiny"}, ReadString(&options->model));
  command->AddFlag({"clips", "N", "Dense rollouts of three chunks to fit by, and as many to measure with.", "64"},
                   ReadInteger(1, 4096, &options->clips));
  command->AddFlag({"seed", "N", "Captions and noise follow from it.", "7"}, ReadUnsigned(&options->seed));
  command->AddFlag({"device", "NAME", "Where passes run: cpu or cuda.", "cuda"}, ReadDevice(&options->device));
}

absl::Status Run(const RegressOptions& options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.device);
  if (!device.ok()) return device.status();
  const absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.model, *device);
  if (!model.ok()) return model.status();
  const auto knowledge = MeasureRouterKnowledge(*model, options.seed, options.clips);
  if (!knowledge.ok()) return knowledge.status();
  std::string table = absl::StrFormat("%-24s", "variance explained from");
  for (size_t block = 0; block < knowledge->front().explained.size(); ++block) {
    absl::StrAppendFormat(&table, "  block %d", block);
  }
  table += "   mean\n";
  for (const RouterKnowledge& row : *knowledge) {
    absl::StrAppendFormat(&table, "%-24s", row.what);
    double sum = 0;
    for (const double share : row.explained) {
      absl::StrAppendFormat(&table, " %8.3f", share);
      sum += share;
    }
    absl::StrAppendFormat(&table, " %6.3f\n", sum / static_cast<double>(row.explained.size()));
  }
  return WriteText(table, std::cout);
}

}  // namespace

Subcommand RegressSubcommand() {
  const auto add = [](Command* command) {
    const auto options = std::make_shared<RegressOptions>();
    AddFlags(options.get(), command);
    return [options] { return Run(*options); };
  };
  return {{"regress", "says how much of what routers are taught can be known, by least squares",
           "Rolls drawn captions out, all blocks dense, and fits what the stage routers teaches: from a token alone; "
           "with its place in the chunk's other frames, as temporal mixing has it; with its place in the last frame "
           "of the chunk before. Prints the variance explained on other clips, block by block.",
           "videodiffcr-train regress --model models/tiny --clips 64"},
          add};
}

}  // namespace videodiffcr::training
