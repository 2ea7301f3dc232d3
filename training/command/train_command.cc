#include "training/command/train_command.h"

#include <ATen/Context.h>

#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "command_line/flag_parser.h"
#include "training/command/train_processes.h"
#include "training/parallel/gradient_exchange.h"
#include "training/parallel/rank_launcher.h"
#include "training/run/training_run.h"
#include "training/stages/autoencoder_stage.h"
#include "training/stages/classifier_stage.h"
#include "training/stages/denoiser_stage.h"
#include "training/stages/distillation_stage.h"
#include "training/stages/router_stage.h"
#include "training/stages/videodiffcr_stage.h"
#include "training/stages/wording_stage.h"

namespace videodiffcr::training {
namespace {

// Flags that every stage has, beside those in StageOptions.
struct CommonOptions {
  TrainingRunOptions run;
  int64_t threads = 0;
  int64_t gpus = 1, processes = 1;
};

// On a GPU: fp32 products and convolutions on the matrix units, in TF32. Without effect on a CPU.
void UseFastGpuArithmetic() {
  at::globalContext().setAllowTF32CuBLAS(true);
  at::globalContext().setAllowTF32CuDNN(true);
}

std::string Default(const std::string& text, double value) { return absl::StrCat(text, " (", value, ")"); }

FlagParser CommonFlags(StageOptions* stage, CommonOptions* common) {
  FlagParser flags;
  flags.AddFlag("model", "FOLDER", "model folder to build on (models/tiny)", SetString(&stage->model));
  flags.AddFlag("output", "FOLDER", "model folder that gets the result; files it lacks are copied from --model; needed",
                SetString(&stage->output));
  flags.AddFlag("run", "FOLDER", "checkpoint, losses and plot; a run found there goes on; needed",
                SetString(&common->run.run_folder));
  flags.AddFlag("seed", "N", "every draw follows from it (1)", SetUnsigned(&stage->seed));
  flags.AddFlag("steps", "N", Default("steps of the whole run", static_cast<double>(stage->steps)),
                SetInteger(1, 100'000'000, &stage->steps));
  flags.AddFlag("batch", "N", Default("clips per step, of all processes together", static_cast<double>(stage->batch)),
                SetInteger(1, 65'536, &stage->batch));
  flags.AddFlag("accumulate", "N", "pieces of the batch that each process takes one after another, for less memory (1)",
                SetInteger(1, 65'536, &stage->accumulate));
  flags.AddFlag("gpus", "N", "with --device cuda: one process on each of N GPUs, which share every batch (1)",
                SetInteger(1, 1024, &common->gpus));
  flags.AddFlag("processes", "N", "with --device cpu: processes that share every batch (1)",
                SetInteger(1, 1024, &common->processes));
  flags.AddFlag("learning-rate", "X", Default("at its highest", stage->learning_rate),
                SetDouble(1e-9, 10, &stage->learning_rate));
  flags.AddFlag("device", "NAME", "cpu or cuda (cpu)", SetString(&stage->device));
  flags.AddFlag("threads", "N", "processor threads; 0: LibTorch's choice. The same bits only for the same number (0)",
                SetInteger(0, 1024, &common->threads));
  flags.AddFlag("checkpoint-every", "N", "steps between checkpoints (50)",
                SetInteger(1, 1'000'000, &common->run.checkpoint_every));
  flags.AddFlag("max-seconds", "S", "stop after so long, to go on with the same command later; 0: no limit (0)",
                SetDouble(0, 1e9, &common->run.max_seconds));
  flags.AddFlag("finish-at-limit", "YES", "a limit ends the run for good and writes the result: yes or no (no)",
                SetYesNo(&common->run.finish_at_limit));
  flags.AddFlag("max-steps", "N", "stop after so many steps of this call; 0: no limit (0)",
                SetInteger(0, 100'000'000, &common->run.max_steps));
  return flags;
}

// One stage with its options, flags and words for the help.
template <typename Options>
struct StageCommand {
  const char* name;
  const char* summary;
  const char* example;
  absl::StatusOr<std::unique_ptr<TrainingStage>> (*make)(const Options&);
  void (*add_flags)(Options*, FlagParser*);

  FlagParser Flags(Options* options, CommonOptions* common) const {
    FlagParser flags = CommonFlags(&options->stage, common);
    add_flags(options, &flags);
    return flags;
  }

  std::string Help() const {
    Options options;
    CommonOptions common;
    return absl::StrCat("videodiffcr-train ", name, ": ", summary,
                        "\n\nKilled or stopped anywhere, the same command goes on from the last checkpoint.\n\n"
                        "Example:\n  ",
                        example, "\n\n", Flags(&options, &common).FlagsHelp());
  }

  absl::Status Run(const std::vector<std::string_view>& arguments) const {
    Options options;
    CommonOptions common;
    if (absl::Status parsed = Flags(&options, &common).Parse(arguments); !parsed.ok()) return parsed;
    if (options.stage.output.empty())
      return absl::InvalidArgumentError("--output is needed: the folder for the result");
    if (common.run.run_folder.empty()) return absl::InvalidArgumentError("--run is needed: the folder for checkpoints");
    const int64_t world = common.gpus * common.processes;  // one of them is 1
    if (absl::Status checked = CheckProcesses(options.stage, common.gpus, common.processes); !checked.ok())
      return checked;
    absl::StatusOr<std::optional<RankPlace>> place = PlaceOfThisProcess();
    if (!place.ok()) return place.status();
    if (world > 1 && !place->has_value()) return RunProcesses(name, arguments, common.gpus, world);
    UseThreads(common.threads, world);
    UseFastGpuArithmetic();
    const auto exchange = JoinProcesses(*std::move(place), options.stage);
    if (!exchange.ok()) return exchange.status();
    if (*exchange != nullptr) options.stage.exchange = common.run.exchange = exchange->get();
    absl::StatusOr<std::unique_ptr<TrainingStage>> stage = make(options);
    if (!stage.ok()) return stage.status();
    const absl::StatusOr<RunEnd> end = RunTraining(**stage, common.run, std::cerr);
    if (!end.ok()) return end.status();
    if (common.run.exchange->rank() != 0) return absl::OkStatus();
    std::cerr << name
              << (*end == RunEnd::kFinished ? ": done; the result is in " + options.stage.output
                                            : std::string(": paused; the same command goes on"))
              << "\n";
    return absl::OkStatus();
  }
};

const StageCommand<AutoencoderStageOptions>& Autoencoder() {
  static const StageCommand<AutoencoderStageOptions> command = {
      "autoencoder", "trains the autoencoder on scenes, objects weighted from the first step",
      "videodiffcr-train autoencoder --output out/tiny --run out/autoencoder --max-seconds 540", &MakeAutoencoderStage,
      [](AutoencoderStageOptions* options, FlagParser* flags) {
        flags->AddFlag("frames", "N", "frames per clip, 1 + 4k (21)", SetInteger(5, 401, &options->frames));
        flags->AddFlag("frozen-share", "X", "share of the steps, the last ones, that train the decoder alone (0.35)",
                       SetDouble(0, 1, &options->frozen_share));
        flags->AddFlag("continue-weights", "YES", "start from the weights of --model: yes or no (no)",
                       SetYesNo(&options->continue_weights));
      }};
  return command;
}

const StageCommand<ClassifierStageOptions>& Classifier() {
  static const StageCommand<ClassifierStageOptions> command = {
      "classifier", "trains the classifier that judges, half on what the autoencoder of --model gives back",
      "videodiffcr-train classifier --model out/tiny --output out/tiny --run out/classifier --max-seconds 540",
      &MakeClassifierStage, [](ClassifierStageOptions*, FlagParser*) {}};
  return command;
}

const StageCommand<DenoiserStageOptions>& Denoiser() {
  static const StageCommand<DenoiserStageOptions> command = {
      "denoiser", "trains the causal denoiser and its text encoder by flow matching with teacher forcing",
      "videodiffcr-train denoiser --model out/tiny --output out/tiny --run out/denoiser --max-seconds 540",
      &MakeDenoiserStage, [](DenoiserStageOptions* options, FlagParser* flags) {
        flags->AddFlag("pool", "N", "different clips, kept in memory once made: 0.2 MB each (37632)",
                       SetInteger(1, 10'000'000, &options->pool));
        flags->AddFlag("warmup-steps", "N", "steps until the learning rate is at its highest (300)",
                       SetInteger(0, 1'000'000, &options->warmup_steps));
        flags->AddFlag("last-learning-rate", "X", "at the end of the run; 0: an 80th of the highest (0)",
                       SetDouble(0, 10, &options->last_learning_rate));
        flags->AddFlag("continue-weights", "YES", "start from the weights of --model: yes or no (no)",
                       SetYesNo(&options->continue_weights));
        flags->AddFlag("train-text", "YES", "the text encoder too; no needs --continue-weights yes: yes or no (yes)",
                       SetYesNo(&options->train_text));
        flags->AddFlag("unknown-words", "X", "captions in which unknown words stand for one or two known ones (0)",
                       SetDouble(0, 1, &options->unknown_words));
      }};
  return command;
}

void AddDistillationFlags(DistillationOptions* options, FlagParser* flags) {
  flags->AddFlag("teacher", "FOLDER", "model folder of the undistilled transformer (--model)",
                 SetString(&options->teacher));
  flags->AddFlag("critic-learning-rate", "X", "of the fake score (0.0003)",
                 SetDouble(1e-9, 10, &options->scores.critic_learning_rate));
  flags->AddFlag("guidance", "X", "of the real score (1.5)", SetDouble(0, 100, &options->scores.guidance));
  flags->AddFlag("unknown-words", "X", "captions in which unknown words stand for one or two known ones (0)",
                 SetDouble(0, 1, &options->unknown_words));
  flags->AddFlag("critic-only-steps", "N", "steps before the generator starts (20)",
                 SetInteger(0, 1'000'000, &options->critic_only_steps));
  flags->AddFlag("warmup-steps", "N", "steps until the generator's learning rate is at its highest (30)",
                 SetInteger(0, 1'000'000, &options->warmup_steps));
}

const StageCommand<DistillationStageOptions>& Distill() {
  static const StageCommand<DistillationStageOptions> command = {
      "distill", "distills the denoiser of --model to few steps on its own rollouts (DMD)",
      "videodiffcr-train distill --model out/tiny --output out/tiny-4 --run out/distill --max-seconds 540",
      &MakeDistillationStage, [](DistillationStageOptions* options, FlagParser* flags) {
        AddDistillationFlags(&options->distillation, flags);
        flags->AddFlag("routed-share", "X", "rollouts at a retention budget below 1, with the routers of --model (0)",
                       SetDouble(0, 1, &options->routed_share));
      }};
  return command;
}

SetFlagValue SetNumbers(std::vector<double>* out) {
  return [out](std::string_view value) {
    absl::StatusOr<std::vector<double>> numbers = ParseNumbers(value);
    if (numbers.ok()) *out = *std::move(numbers);
    return numbers.status();
  };
}

SetFlagValue SetAccounting(RatioAccounting* out) {
  return [out](std::string_view value) {
    if (value != "nominal" && value != "executed") return absl::InvalidArgumentError("must be nominal or executed");
    *out = value == "nominal" ? RatioAccounting::kNominal : RatioAccounting::kExecuted;
    return absl::OkStatus();
  };
}

const StageCommand<VideodiffcrStageOptions>& Videodiffcr() {
  static const StageCommand<VideodiffcrStageOptions> command = {
      "videodiffcr", "learns which share of tokens each layer and step keeps, which ones, and weights for it (DMD)",
      "videodiffcr-train videodiffcr --teacher out/teacher --target 0.7 --output out/pruned --run out/videodiffcr "
      "--max-seconds 540",
      &MakeVideodiffcrStage, [](VideodiffcrStageOptions* options, FlagParser* flags) {
        VideodiffcrOptions* const student = &options->student;
        flags->AddFlag("target", "X,...", "shares of tokens to keep, each a budget of the result; 1: dense (0.7)",
                       SetNumbers(&student->targets));
        flags->AddFlag("accounting", "KIND", "what is to meet the target: nominal or executed ratios (nominal)",
                       SetAccounting(&student->accounting));
        flags->AddFlag("initial-ratios", "X,...", "of the layers in turns (target + 0.1, target - 0.1)",
                       SetNumbers(&student->initial_ratios));
        flags->AddFlag("fresh-routers", "YES", "begin with drawn routers, not those of --model: yes or no (no)",
                       SetYesNo(&student->fresh_routers));
        flags->AddFlag("router-learning-rate", "X", "of routers and gates (0.001)",
                       SetDouble(1e-9, 10, &student->router_learning_rate));
        flags->AddFlag("ratio-learning-rate", "X", "of the ratios (0.005)",
                       SetDouble(1e-9, 10, &student->ratio_learning_rate));
        flags->AddFlag("budget-weight", "X", "of the budget loss; 0: as strong as the matching loss 0.02 off (0)",
                       SetDouble(0, 1e6, &student->budget_weight));
        AddDistillationFlags(&options->distillation, flags);
      }};
  return command;
}

const StageCommand<RouterStageOptions>& Routers() {
  static const StageCommand<RouterStageOptions> command = {
      "routers", "teaches the routers which tokens their block changes most; the model stays as it is",
      "videodiffcr-train routers --output out/tiny --run out/routers --max-seconds 540", &MakeRouterStage,
      [](RouterStageOptions* options, FlagParser* flags) {
        flags->AddFlag("min-chunks", "N", "shortest rollout (2)", SetInteger(1, 1000, &options->min_chunks));
        flags->AddFlag("max-chunks", "N", "longest rollout (4)", SetInteger(1, 1000, &options->max_chunks));
      }};
  return command;
}

const StageCommand<WordingStageOptions>& Wording() {
  static const StageCommand<WordingStageOptions> command = {
      "wording", "teaches the text encoder other words for background colours; the denoiser stays as it is",
      "videodiffcr-train wording --output out/tiny --run out/wording --max-seconds 540", &MakeWordingStage,
      [](WordingStageOptions* options, FlagParser* flags) {
        flags->AddFlag("known-share", "X", "captions that keep their own words (0.3)",
                       SetDouble(0, 1, &options->known_share));
      }};
  return command;
}

}  // namespace

std::string AutoencoderHelp() { return Autoencoder().Help(); }
absl::Status RunAutoencoder(const std::vector<std::string_view>& arguments) { return Autoencoder().Run(arguments); }
std::string ClassifierHelp() { return Classifier().Help(); }
absl::Status RunClassifier(const std::vector<std::string_view>& arguments) { return Classifier().Run(arguments); }
std::string DenoiserHelp() { return Denoiser().Help(); }
absl::Status RunDenoiser(const std::vector<std::string_view>& arguments) { return Denoiser().Run(arguments); }
std::string DistillHelp() { return Distill().Help(); }
absl::Status RunDistill(const std::vector<std::string_view>& arguments) { return Distill().Run(arguments); }
std::string RoutersHelp() { return Routers().Help(); }
absl::Status RunRouters(const std::vector<std::string_view>& arguments) { return Routers().Run(arguments); }
std::string VideodiffcrHelp() { return Videodiffcr().Help(); }
absl::Status RunVideodiffcr(const std::vector<std::string_view>& arguments) { return Videodiffcr().Run(arguments); }
std::string WordingHelp() { return Wording().Help(); }
absl::Status RunWording(const std::vector<std::string_view>& arguments) { return Wording().Run(arguments); }

}  // namespace videodiffcr::training
