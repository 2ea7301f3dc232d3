#include "training/command/train_command.h"

#include <ATen/Context.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "command_line/flag_reader.h"
#include "training/command/distillation_flags.h"
#include "training/command/given_flags.h"
#include "training/command/train_processes.h"
#include "training/parallel/gradient_exchange.h"
#include "training/parallel/rank_launcher.h"
#include "training/run/training_run.h"
#include "training/stages/autoencoder_stage.h"
#include "training/stages/baseline_stage.h"
#include "training/stages/classifier_stage.h"
#include "training/stages/denoiser_stage.h"
#include "training/stages/distillation_stage.h"
#include "training/stages/prompt_router_stage.h"
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

void AddCommonFlags(StageOptions* stage, CommonOptions* common, Command* command) {
  TrainingRunOptions* run = &common->run;
  command->BeginGroup("Flags of every stage");
  command->AddFlag({"model", "FOLDER", "Model folder to build on.", "out/tiny"}, ReadString(&stage->model));
  command->AddFlag({"output", "FOLDER",
                    "Model folder that gets the result; files it lacks are copied from --model. Needed.", "out/tiny"},
                   ReadString(&stage->output));
  command->AddFlag({"run", "FOLDER", "Checkpoint, losses and plot; a run found there goes on. Needed.", "out/run"},
                   ReadString(&run->run_folder));
  command->AddFlag({"seed", "N", "Every draw follows from it.", "7"}, ReadUnsigned(&stage->seed));
  command->AddFlag({"steps", "N", "Steps of the whole run.", "2000"}, ReadInteger(1, 100'000'000, &stage->steps));
  command->AddFlag({"batch", "N", "Clips per step, of all processes together.", "8"},
                   ReadInteger(1, 65'536, &stage->batch));
  command->AddFlag(
      {"accumulate", "N", "Pieces of the batch that each process takes one after another, for less memory.", "2"},
      ReadInteger(1, 65'536, &stage->accumulate));
  command->AddFlag({"gpus", "N", "With --device cuda: one process on each of N GPUs, which share every batch.", "4"},
                   ReadInteger(1, 1024, &common->gpus));
  command->AddFlag({"processes", "N", "With --device cpu: processes that share every batch.", "2"},
                   ReadInteger(1, 1024, &common->processes));
  command->AddFlag({"learning-rate", "X", "The learning rate at its highest.", "0.0003"},
                   ReadDouble(1e-9, 10, &stage->learning_rate));
  command->AddFlag({"device", "NAME", "Where it is trained: cpu or cuda.", "cuda"}, ReadDevice(&stage->device));
  command->AddFlag(
      {"threads", "N", "Processor threads; 0: LibTorch's choice. The same bits only for the same number.", "2"},
      ReadInteger(0, 1024, &common->threads));
  command->AddFlag({"checkpoint-every", "N", "Steps between checkpoints.", "200"},
                   ReadInteger(1, 1'000'000, &run->checkpoint_every));
  command->AddFlag(
      {"max-seconds", "S", "Stop after so many seconds, to go on with the same command later; 0: no limit.", "540"},
      ReadDouble(0, 1e9, &run->max_seconds));
  command->AddFlag({"finish-at-limit", "YES", "A limit ends the run for good and writes the result: yes or no.", "yes"},
                   ReadYesNo(&run->finish_at_limit));
  command->AddFlag({"max-steps", "N", "Stop after so many steps of this call; 0: no limit.", "100"},
                   ReadInteger(0, 100'000'000, &run->max_steps));
  command->AddCheck([stage, run, common]() -> absl::Status {
    if (stage->output.empty()) return absl::InvalidArgumentError("--output is needed: the folder for the result");
    if (run->run_folder.empty()) return absl::InvalidArgumentError("--run is needed: the folder for checkpoints");
    return CheckProcesses(*stage, common->gpus, common->processes);
  });
}

// One stage with its options, flags and words for the help.
template <typename Options>
struct StageCommand {
  const char* name;
  const char* summary;
  const char* flags;  // of its example, without --max-seconds
  absl::StatusOr<std::unique_ptr<TrainingStage>> (*make)(const Options&);
  void (*add_flags)(Options*, Command*);

  // `arguments` as they stood behind the stage's name.
  absl::Status Run(Options options, CommonOptions common, const std::vector<std::string_view>& arguments) const {
    const int64_t world = common.gpus * common.processes;  // one of them is 1
    absl::StatusOr<std::optional<RankPlace>> place = PlaceOfThisProcess();
    if (!place.ok()) return place.status();
    if (world > 1 && !place->has_value()) return RunProcesses(name, arguments, common.gpus, world);
    if constexpr (requires { options.run_folder; }) options.run_folder = common.run.run_folder;
    if constexpr (requires { options.distillation; }) options.distillation.run_folder = common.run.run_folder;
    if (options.stage.timed_steps > 0) {
      common.run.max_steps = options.stage.timed_steps;
      common.run.keep = false;
    }
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
    std::cerr << name << ": " << WordsFor(*end, options.stage.output) << "\n";
    return absl::OkStatus();
  }

  static std::string WordsFor(RunEnd end, const std::string& output) {
    switch (end) {
      case RunEnd::kFinished:
        return "done; the result is in " + output;
      case RunEnd::kPaused:
        return "paused; the same command goes on";
      case RunEnd::kMeasured:
        break;
    }
    return "measured; neither checkpoint nor result was written";
  }

  Subcommand Build() const {
    CommandText text = {name, summary, "Killed or stopped anywhere, the same command goes on from the last checkpoint.",
                        absl::StrCat("videodiffcr-train ", name, " ", flags, " --max-seconds 540")};
    const auto add = [command = *this](Command* flags) {
      const auto options = std::make_shared<Options>();
      const auto common = std::make_shared<CommonOptions>();
      command.add_flags(options.get(), flags);
      AddCommonFlags(&options->stage, common.get(), flags);
      return [command, options, common, flags] { return command.Run(*options, *common, flags->Arguments()); };
    };
    return {std::move(text), add};
  }
};

Subcommand Autoencoder() {
  return StageCommand<AutoencoderStageOptions>{
      "autoencoder", "trains the autoencoder on scenes, objects weighted from the first step",
      "--output out/tiny --run out/autoencoder", &MakeAutoencoderStage,
      [](AutoencoderStageOptions* options, Command* command) {
        command->AddFlag({"frames", "N", "Frames per clip, 1 + 4k.", "41"}, ReadInteger(5, 401, &options->frames));
        command->AddFlag(
            {"frozen-share", "X", "Share of the steps, the last ones, that train the decoder alone.", "0.5"},
            ReadDouble(0, 1, &options->frozen_share));
        command->AddFlag({"continue-weights", "YES", "Start from the weights of --model: yes or no.", "yes"},
                         ReadYesNo(&options->continue_weights));
      }}
      .Build();
}

Subcommand Classifier() {
  return StageCommand<ClassifierStageOptions>{
      "classifier", "trains the classifier that judges, half on what the autoencoder of --model gives back",
      "--model out/tiny --output out/tiny --run out/classifier", &MakeClassifierStage,
      [](ClassifierStageOptions*, Command*) {}}
      .Build();
}

Subcommand Denoiser() {
  return StageCommand<DenoiserStageOptions>{
      "denoiser", "trains the causal denoiser and its text encoder by flow matching with teacher forcing",
      "--model out/tiny --output out/tiny --run out/denoiser", &MakeDenoiserStage,
      [](DenoiserStageOptions* options, Command* command) {
        AddRecomputeBlocks(&options->stage, command);
        command->AddFlag({"pool", "N", "Different clips, kept in memory once made: 0.2 MB each.", "10000"},
                         ReadInteger(1, 10'000'000, &options->pool));
        command->AddFlag({"warmup-steps", "N", "Steps until the learning rate is at its highest.", "100"},
                         ReadInteger(0, 1'000'000, &options->warmup_steps));
        command->AddFlag({"last-learning-rate", "X",
                          "The learning rate at the end of the run; 0: an 80th of the highest.", "0.00001"},
                         ReadDouble(0, 10, &options->last_learning_rate));
        command->AddFlag({"continue-weights", "YES", "Start from the weights of --model: yes or no.", "yes"},
                         ReadYesNo(&options->continue_weights));
        command->AddFlag(
            {"train-text", "YES", "Train the text encoder too; no needs --continue-weights yes: yes or no.", "no"},
            ReadYesNo(&options->train_text));
        AddUnknownWords(&options->unknown_words, command);
      }}
      .Build();
}

Subcommand Distill() {
  return StageCommand<DistillationStageOptions>{
      "distill", "distills the denoiser of --model to few steps on its own rollouts (DMD)",
      "--model out/tiny --output out/tiny-4 --run out/distill", &MakeDistillationStage,
      [](DistillationStageOptions* options, Command* command) {
        command->AddFlag({"routed-share", "X",
                          "Share of rollouts at a retention budget below 1, with the routers of --model.", "0.3"},
                         ReadDouble(0, 1, &options->routed_share));
        AddRecomputeBlocks(&options->stage, command);
        AddDistillationFlags(&options->distillation, command);
      }}
      .Build();
}

FlagReader ReadNumbers(std::vector<double>* out) {
  return {[out](std::string_view value) {
            absl::StatusOr<std::vector<double>> numbers = ParseNumbers(value);
            if (!numbers.ok()) return numbers.status();
            *out = *std::move(numbers);
            return absl::OkStatus();
          },
          absl::StrJoin(*out, ",")};
}

Subcommand Videodiffcr() {
  return StageCommand<VideodiffcrStageOptions>{
      "videodiffcr", "learns what each block and step keeps, which tokens, and weights for it (DMD)",
      "--teacher out/teacher --target 0.7 --output out/pruned --run out/videodiffcr", &MakeVideodiffcrStage,
      [](VideodiffcrStageOptions* options, Command* command) {
        VideodiffcrOptions* const student = &options->student;
        command->AddFlag({"target", "X,...",
                          "Shares of tokens to keep, each a budget of the result; 1 trains the dense network, too. One "
                          "that is named "
                          "twice is trained twice as often.",
                          "0.7,0.5"},
                         ReadNumbers(&student->targets));
        command->AddFlag({"accounting", "KIND", "What has to meet the target: nominal or executed ratios.", "executed"},
                         ReadEither("nominal", RatioAccounting::kNominal, "executed", RatioAccounting::kExecuted,
                                    &student->accounting));
        command->AddFlag({"initial-ratios", "X,...",
                          "Of the blocks in turns; by default the target + 0.1 and the target - 0.1.", "0.9,0.8"},
                         ReadNumbers(&student->initial_ratios));
        command->AddFlag({"model-ratios", "YES", "Begin with the ratios of --model's own tables: yes or no.", "yes"},
                         ReadYesNo(&student->model_ratios));
        command->AddFlag({"fresh-routers", "YES", "Begin with drawn routers, not those of --model: yes or no.", "yes"},
                         ReadYesNo(&student->fresh_routers));
        command->AddFlag(
            {"router", "KIND", "Routers that mix frames, or look at a token alone: temporal or linear.", "linear"},
            ReadEither("temporal", RouterKind::kTemporal, "linear", RouterKind::kLinear, &student->router));
        command->AddFlag({"step-deltas", "YES", "Keep more from step to step; else the same share: yes or no.", "no"},
                         ReadYesNo(&student->step_deltas));
        command->AddFlag({"deltas", "X,...",
                          "What each denoising step adds to a block's ratio, noisiest first, in tenths of one; by "
                          "default as --model has it. The paper's are -0.3,-0.1,0.1,0.3.",
                          "-0.4,-0.2,0.2,0.4"},
                         ReadNumbers(&student->deltas));
        command->AddFlag({"learn-ratios", "YES", "Else they stay as they are at first: yes or no.", "no"},
                         ReadYesNo(&student->learn_ratios));
        command->AddFlag({"router-learning-rate", "X", "Learning rate of routers and gates.", "0.0003"},
                         ReadDouble(1e-9, 10, &student->router_learning_rate));
        command->AddFlag({"ratio-learning-rate", "X", "Learning rate of the ratios.", "0.001"},
                         ReadDouble(1e-9, 10, &student->ratio_learning_rate));
        command->AddFlag(
            {"budget-weight", "X",
             "Weight of the budget loss; 0: as strong as the matching loss when 0.02 off the target.", "10"},
            ReadDouble(0, 1e6, &student->budget_weight));
        command->AddFlag({"light-bypass", "RANK",
                          "Beyond the paper: tokens that a block does not keep get a learned update of this rank; 0: "
                          "as the model has it.",
                          "8"},
                         ReadInteger(0, kMostBypassRank, &student->light_bypass));
        command->AddFlag({"cache-aware", "YES",
                          "Beyond the paper: routers also see the last frame of the chunk before: yes or no. For "
                          "evaluate --plain alone, not for a server.",
                          "yes"},
                         ReadYesNo(&student->cache_aware));
        AddSizeFlags(&options->stage, &options->distillation, command);
        AddRecomputeBlocks(&options->stage, command);
        AddDistillationFlags(&options->distillation, command);
      }}
      .Build();
}

Subcommand Baseline() {
  return StageCommand<BaselineStageOptions>{
      "baseline", "distils what VideoDiffCR is compared with, by the same iterations, prompts and noise (DMD)",
      "--method mod --target 0.5 --teacher out/teacher --output out/mod --run out/run", &MakeBaselineStage,
      [](BaselineStageOptions* options, Command* command) {
        std::vector<std::string> methods = BaselineMethods();
        methods.emplace_back(kSensitivity);
        command->AddFlag({"method", "NAME", absl::StrCat("One of ", absl::StrJoin(methods, ", "), ". Needed."), "mod"},
                         ReadChoice(methods, &options->student.method));
        command->AddFlag({"target", "X", "Share of the tokens that the denoising passes execute.", "0.6875"},
                         ReadDouble(0.1, 1, &options->student.target));
        command->AddFlag({"deltas", "X,...",
                          "Of random and linear-router: what each denoising step adds to a block's ratio, noisiest "
                          "first; by default as --model has it.",
                          "-0.3,-0.1,0.1,0.3"},
                         ReadNumbers(&options->student.deltas));
        command->AddFlag(
            {"own-learning-rate", "X", "Learning rate of what the method adds to the transformer.", "0.0003"},
            ReadDouble(1e-9, 10, &options->student.own_learning_rate));
        AddRecomputeBlocks(&options->stage, command);
        AddDistillationFlags(&options->distillation, command);
      }}
      .Build();
}

void AddPromptFlags(PromptOptions* prompts, BudgetOptions* budgets, Command* command) {
  AddFilePromptFlags("Then any model folder will do, and the result has budgets; else the tiny model's scenes.",
                     prompts, command);
  command->AddFlag({"held-out", "N", "Of --prompts, so many are not trained on but measured with.", "8"},
                   ReadInteger(1, 10'000, &prompts->held_out));
  command->AddFlag({"measure-every", "N", "With --prompts: steps between measures on held-out prompts.", "20"},
                   ReadInteger(1, 1'000'000, &prompts->measure_every));
  command->AddFlag(
      {"target", "X,...", "With --prompts: mean shares of tokens, each a budget of the result.", "0.7,0.5"},
      ReadNumbers(&budgets->targets));
  command->AddFlag(
      {"accounting", "KIND", "With --prompts: what has to meet the target, nominal or executed ratios.", "executed"},
      ReadEither("nominal", RatioAccounting::kNominal, "executed", RatioAccounting::kExecuted, &budgets->accounting));
  command->AddFlag(
      {"tables", "FILE",
       "With --prompts: tables as config.json has them; by default what costs least of the blocks' updates.",
       "tables.json"},
      ReadString(&budgets->tables));
  command->AddCheck([prompts, budgets, command]() -> absl::Status {
    if (prompts->file.empty()) {
      return RefuseGiven(*command, {"tables", "target", "accounting", "held-out", "measure-every"}, "needs --prompts");
    }
    if (budgets->tables.empty()) return absl::OkStatus();
    return RefuseGiven(*command, {"target", "accounting"}, "goes without --tables, which say what is kept");
  });
}

// What both kinds of data have in common is the scenes' options.
struct RouterCommandOptions : RouterStageOptions {
  std::string run_folder;
  PromptOptions prompts;
  BudgetOptions budgets;
};

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeRouters(const RouterCommandOptions& options) {
  if (options.prompts.file.empty()) return MakeRouterStage(options);
  return MakePromptRouterStage(
      {options.stage, options.run_folder, options.min_chunks, options.max_chunks, options.prompts, options.budgets});
}

Subcommand Routers() {
  return StageCommand<RouterCommandOptions>{
      "routers", "teaches the routers which tokens their block changes most; the model stays as it is",
      "--model wan --prompts VidProM_unique.csv --output wan-pruned --run out/routers", &MakeRouters,
      [](RouterCommandOptions* options, Command* command) {
        AddPromptFlags(&options->prompts, &options->budgets, command);
        command->AddFlag({"min-chunks", "N", "Shortest rollout, in chunks.", "1"},
                         ReadInteger(1, 1000, &options->min_chunks));
        command->AddFlag({"max-chunks", "N", "Longest rollout, in chunks.", "8"},
                         ReadInteger(1, 1000, &options->max_chunks));
      }}
      .Build();
}

Subcommand Wording() {
  return StageCommand<WordingStageOptions>{
      "wording",
      "teaches the text encoder other words for background colours, and what unknown words are to mean; the denoiser "
      "stays as it is",
      "--output out/tiny --run out/wording", &MakeWordingStage,
      [](WordingStageOptions* options, Command* command) {
        command->AddFlag({"known-share", "X", "Share of captions that keep their own words.", "0.5"},
                         ReadDouble(0, 1, &options->known_share));
        command->AddFlag(
            {"unknown-share", "X", "Of the others, share in which unknown words stand for known ones.", "0.3"},
            ReadDouble(0, 1, &options->unknown_share));
      }}
      .Build();
}

}  // namespace

std::vector<Subcommand> StageSubcommands() {
  return {Autoencoder(), Classifier(), Denoiser(), Distill(), Routers(), Videodiffcr(), Baseline(), Wording()};
}

}  // namespace videodiffcr::training
