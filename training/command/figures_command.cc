#include "training/command/figures_command.h"

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/flag_parser.h"
#include "media/png_file.h"
#include "training/figures/retention_figure.h"
#include "training/figures/router_maps.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {
namespace {

struct FiguresOptions {
  std::string model = "models/tiny";
  std::string output;
  std::string device = "cpu";
  RouterMapOptions maps;
};

FlagParser Flags(FiguresOptions* options) {
  FlagParser flags;
  flags.AddFlag("model", "FOLDER", "model folder with retention tables (models/tiny)", SetString(&options->model));
  flags.AddFlag("output", "FOLDER", "gets retention.png and a router map per budget; needed",
                SetString(&options->output));
  flags.AddFlag("prompt", "TEXT", "what the router maps' video shows (" + options->maps.prompt + ")",
                SetString(&options->maps.prompt));
  flags.AddFlag("chunk", "N", "of the video, from 0: the one that is drawn (2)",
                SetInteger(0, 1000, &options->maps.chunk));
  flags.AddFlag("seed", "N", "of the video's noise (1)", SetUnsigned(&options->maps.seed));
  flags.AddFlag("device", "NAME", "cpu or cuda (cpu)", SetString(&options->device));
  return flags;
}

absl::Status Write(const RgbImage& image, const std::string& path) {
  if (absl::Status written = WritePng(image, path); !written.ok()) return written;
  std::cout << path << "\n";
  return absl::OkStatus();
}

}  // namespace

std::string FiguresHelp() {
  FiguresOptions options;
  return absl::StrCat(
      "videodiffcr-train figures: what a model's routers and retention tables do, as pictures\n\n"
      "retention.png: the share of tokens that each block keeps in each denoising step, a panel per budget.\n"
      "router_maps_0N.png: one chunk of a video at budget 0.N; a row per block, the frames of each step, dark where\n"
      "the block left the tokens as they were.\n\n"
      "Example:\n  videodiffcr-train figures --model models/tiny --output figures\n\n",
      Flags(&options).FlagsHelp());
}

absl::Status RunFigures(const std::vector<std::string_view>& arguments) {
  FiguresOptions options;
  if (absl::Status parsed = Flags(&options).Parse(arguments); !parsed.ok()) return parsed;
  if (options.output.empty()) return absl::InvalidArgumentError("--output is needed: the folder for the pictures");
  const absl::StatusOr<at::Device> device = ParseDevice(options.device);
  if (!device.ok()) return device.status();
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

}  // namespace videodiffcr::training
