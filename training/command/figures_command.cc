#include "training/command/figures_command.h"

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/flag_reader.h"
#include "media/png_file.h"
#include "training/figures/retention_figure.h"
#include "training/figures/router_maps.h"
#include "training/model/training_model.h"
#include "training/students/baselines.h"

namespace videodiffcr::training {
namespace {

struct FiguresOptions {
  std::string model = "models/tiny";
  std::string output;
  std::string device = "cpu";
  RouterMapOptions maps;
};

void AddFlags(FiguresOptions* options, Command* command) {
  command->AddFlag({"model", "FOLDER", "Model folder with retention tables.", "out/pruned"},
                   ReadString(&options->model));
  command->AddFlag({"output", "FOLDER", "Gets retention.png and a router map per budget. Needed.", "figures"},
                   ReadString(&options->output));
  command->AddFlag({"prompt", "TEXT", "What the router maps' video shows.", "'a red star bounces'"},
                   ReadString(&options->maps.prompt));
  command->AddFlag({"chunk", "N", "Chunk of the video, from 0: the one that is drawn.", "0"},
                   ReadInteger(0, 1000, &options->maps.chunk));
  command->AddFlag({"seed", "N", "The video's noise follows from it.", "7"}, ReadUnsigned(&options->maps.seed));
  command->AddFlag({"device", "NAME", "Where passes run: cpu or cuda.", "cuda"}, ReadDevice(&options->device));
  command->AddCheck([options]() -> absl::Status {
    if (!options->output.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--output is needed: the folder for the pictures");
  });
}

absl::Status Write(const RgbImage& image, const std::string& path) {
  if (absl::Status written = WritePng(image, path); !written.ok()) return written;
  return WriteText(path + "\n", std::cout);
}

absl::Status Run(FiguresOptions options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.device);
  if (!device.ok()) return device.status();
  if (HasBaseline(options.model)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--model ", options.model, ": takes tokens out in a way of its own, which is not drawn"));
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(options.model, *device);
  if (!model.ok()) return model.status();
  if (absl::Status routers = LoadRouters(options.model, &*model); !routers.ok()) return routers;
  std::error_code error;
  std::filesystem::create_directories(options.output, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat("--output ", options.output, ": ", error.message()));
  }
  const std::vector<RetentionTable>& tables = model->config.retention.tables;
  const RgbImage retention =
      DrawRetention(absl::StrCat(model->config.name, ": share of tokens that each block and step processes"), tables,
                    model->config.transformer.tokens_per_chunk());
  if (absl::Status written = Write(retention, options.output + "/retention.png"); !written.ok()) return written;
  for (const RetentionTable& table : tables) {
    options.maps.budget = table.nominal;
    const absl::StatusOr<RgbImage> maps = DrawRouterMaps(*model, options.maps);
    if (!maps.ok()) return maps.status();
    const std::string path = absl::StrFormat("%s/router_maps_%02d.png", options.output, table.nominal);
    if (absl::Status written = Write(*maps, path); !written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace

Subcommand FiguresSubcommand() {
  const auto add = [](Command* command) {
    const auto options = std::make_shared<FiguresOptions>();
    AddFlags(options.get(), command);
    return [options] { return Run(*options); };
  };
  return {{"figures", "draws what a model's routers and retention tables do",
           "retention.png: the share of tokens that each block keeps in each denoising step, a panel per budget. "
           "router_maps_07.png: one chunk of a video at budget 0.7; a row per block, the frames of each step, dark "
           "where the block left the tokens as they were.",
           "videodiffcr-train figures --model models/tiny --output figures"},
          add};
}

}  // namespace videodiffcr::training
