// videodiffcr-bench: measures the engine, its kernels and a server.
// Exit status: 0 measured, 1 could not, 2 a wrong subcommand, flag or value.
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/commands.h"
#include "bench/decode_bench.h"
#include "bench/kernel_bench.h"
#include "client/grpc_messages.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"
#include "convert/model_presets.h"
#include "model/config/cache_retention.h"
#include "model/config/retention_table.h"

namespace videodiffcr {
namespace {

// A measurement: `run` gives the text to print.
template <typename Options>
Subcommand Measurement(CommandText text, void (*add_flags)(Options*, Command*),
                       absl::StatusOr<std::string> (*run)(const Options&)) {
  const auto add = [add_flags, run](Command* command) {
    const auto options = std::make_shared<Options>();
    add_flags(options.get(), command);
    return [options, run]() -> absl::Status {
      const absl::StatusOr<std::string> report = run(*options);
      return report.ok() ? WriteText(*report, std::cout) : report.status();
    };
  };
  return {std::move(text), add};
}

void AddModelFolder(std::string* folder, Command* command) {
  *folder = "models/tiny";
  command->AddFlag({"model-folder", "FOLDER", "Folder of the model to measure.", "models/wan"}, ReadString(folder));
}

void AddDevice(std::string* device, Command* command) {
  command->AddFlag({"device", "NAME", "Where the model runs: cpu or cuda.", "cuda"}, ReadDevice(device));
}

void AddPrecision(std::string* precision, Command* command) {
  command->AddFlag({"precision", "NAME", "What a GPU computes in: fp32, bf16 or fp8.", "fp8"},
                   ReadChoice({"fp32", "bf16", "fp8"}, precision));
}

void AddJson(std::string* file, Command* command) {
  command->AddFlag({"json", "FILE", "Also write the rows to this file, as JSON.", "rows.json"}, ReadString(file));
}

Subcommand Chunk() {
  return Measurement<ChunkBenchOptions>(
      {"chunk", "stages and passes of a chunk, inside this process", "",
       "videodiffcr-bench chunk --model-folder models/tiny --threads 2 --chunks 30"},
      [](ChunkBenchOptions* options, Command* command) {
        AddModelFolder(&options->model_folder, command);
        AddDevice(&options->device, command);
        AddPrecision(&options->precision, command);
        command->AddFlag({"threads", "N", "Processor threads for denoising; 0: one per processor.", "2"},
                         ReadInteger(&options->threads));
        command->AddFlag({"sessions", "N,N", "Sessions in every plan, one run for each number of the list.", "1,8"},
                         ReadIntegerList(&options->sessions));
        command->AddFlag({"budgets", "SHARES", "Retention budgets; by default all of the model.", "1,0.7"},
                         ReadBudgets(&options->budgets));
        command->AddFlag({"chunks", "N", "Chunks measured per run, after the window is full.", "60"},
                         ReadInteger(&options->chunks));
        command->AddSwitch("decode-graph", "Decode the tiny model's chunks on a GPU as one CUDA graph each.",
                           &options->decode_graph);
        AddJson(&options->json_file, command);
      },
      &RunChunkBench);
}

Subcommand Kernels() {
  return Measurement<KernelsBenchOptions>(
      {"kernels", "where a chunk's time goes on a GPU: its kernels, and when none runs", "",
       "videodiffcr-bench kernels --model-folder models/wan --precision fp8 --chunks 8"},
      [](KernelsBenchOptions* options, Command* command) {
        AddModelFolder(&options->model_folder, command);
        AddPrecision(&options->precision, command);
        command->AddFlag({"budget", "SHARE", "Retention budget, one of the model's.", "0.7"},
                         ReadBudget(&options->budget));
        command->AddFlag({"chunks", "N", "Chunks traced, after the window is full.", "8"},
                         ReadInteger(&options->chunks));
        AddJson(&options->json_file, command);
      },
      &RunKernelsBench);
}

FlagReader ReadStarts(ViewerStarts* out) {
  const auto read = [out](std::string_view value) {
    if (value != "aligned" && value != "staggered" && value != "both") {
      return absl::InvalidArgumentError("must be aligned, staggered or both");
    }
    *out = value == "aligned" ? ViewerStarts::kAligned
           : value == "both"  ? ViewerStarts::kBoth
                              : ViewerStarts::kStaggered;
    return absl::OkStatus();
  };
  return {read, "aligned"};
}

Subcommand Sessions() {
  return Measurement<SessionsBenchOptions>(
      {"sessions", "viewers with playout clocks on a server", "",
       "videodiffcr-bench sessions --sessions 4 --seconds 60"},
      [](SessionsBenchOptions* options, Command* command) {
        command->AddFlag({"server", "HOST:PORT",
                          "A running server; without it the one beside this program is started, with the next three.",
                          "localhost:50051"},
                         ReadServerAddressOrNone(&options->server));
        AddModelFolder(&options->model_folder, command);
        AddDevice(&options->device, command);
        AddPrecision(&options->precision, command);
        command->AddFlag({"sessions", "N", "Viewers.", "16"}, ReadInteger(1, 1024, &options->sessions));
        command->AddFlag({"seconds", "N", "Playing time per viewer, in seconds.", "20"},
                         ReadInteger(&options->seconds));
        command->AddFlag({"budget", "SHARE", "Retention budget of every viewer.", "0.7"}, ReadDouble(&options->budget));
        command->AddFlag({"run-ahead", "N", "Chunks that the server may be ahead of the playout clock, 1 to 64.", "1"},
                         ReadInteger(&options->run_ahead));
        command->AddFlag({"starts", "NAME",
                          "aligned: all at once; staggered: spread over one chunk's playing time; both: one after the "
                          "other.",
                          "both"},
                         ReadStarts(&options->starts));
        AddJson(&options->json_file, command);
      },
      &RunSessionsBench);
}

Subcommand Attention() {
  return Measurement<KernelBenchOptions>(
      {"attention", "our attention on a GPU beside LibTorch's, at the sizes of the public model", "",
       "videodiffcr-bench attention --json attention.json"},
      [](KernelBenchOptions* options, Command* command) { AddJson(&options->json_file, command); }, &RunAttentionBench);
}

Subcommand Linears() {
  return Measurement<KernelBenchOptions>(
      {"linears", "our products on a GPU in bf16 and fp8, at the sizes of the public model", "",
       "videodiffcr-bench linears --json linears.json"},
      [](KernelBenchOptions* options, Command* command) { AddJson(&options->json_file, command); }, &RunLinearsBench);
}

Subcommand Decode() {
  return Measurement<DecodeBenchOptions>(
      {"decode", "decoders of the public model on a GPU, random weights", "", "videodiffcr-bench decode --chunks 8"},
      [](DecodeBenchOptions* options, Command* command) {
        command->AddFlag({"chunks", "N", "Chunks measured per decoder.", "8"}, ReadInteger(&options->chunks));
        AddJson(&options->json_file, command);
      },
      &RunDecodeBench);
}

Subcommand Text() {
  return Measurement<TextBenchOptions>(
      {"text", "UMT5-XXL on a GPU, random weights", "", "videodiffcr-bench text --prompts 10"},
      [](TextBenchOptions* options, Command* command) {
        command->AddFlag({"prompts", "N", "Prompts measured per length.", "10"}, ReadInteger(&options->prompts));
        AddJson(&options->json_file, command);
      },
      &RunTextBench);
}

Subcommand Make() {
  return Measurement<MakeModelOptions>(
      {"make-model", "a model folder of the public model's sizes with random weights", "",
       "videodiffcr-bench make-model --output /tmp/shape --window-frames 12 --sink-frames 3"},
      [](MakeModelOptions* options, Command* command) {
        options->tokenizer_folder = "models/tiny";
        command->AddFlag(
            {"preset", "NAME", "Whose sizes: a preset of videodiffcr-convert.", "causal-forcing-frame-wise-2-step"},
            ReadChoice(PresetNames(), &options->preset));
        command->AddFlag({"output", "FOLDER", "Folder to write. Needed.", "/tmp/shape"}, ReadString(&options->output));
        command->AddFlag(
            {"weights-from", "FOLDER",
             "Folder made before, to link its files under another config.json; by default none.", "/tmp/window21"},
            ReadString(&options->weights_from));
        command->AddFlag({"model-folder", "FOLDER", "Model folder whose tokenizer is taken.", "models/tiny"},
                         ReadString(&options->tokenizer_folder));
        command->AddFlag({"window-frames", "N", "Latent frames in the window; 0: as the preset has it.", "12"},
                         ReadInteger(&options->window_frames));
        command->AddFlag({"sink-frames", "N", "Of them those of the video's start.", "3"},
                         ReadInteger(&options->sink_frames));
        command->AddFlag(
            {"denoise-steps", "LIST", "Nominal steps of a chunk; by default those of the preset.", "1000,500"},
            ReadIntegerList(&options->denoise_steps));
        command->AddFlag({"budgets", "SHARES",
                          "Retention budgets, below 1 and falling, the same in every block; by default those of the "
                          "preset.",
                          "0.7,0.5"},
                         ReadBudgets(&options->budgets));
        command->AddFlag({"cache-retention", "SHARE",
                          "Share of a chunk's keys that stays in the cache, at every budget and in every block; in "
                          "hundredths. By default what the folder made before says, or all.",
                          "0.5"},
                         ReadDouble(0.01, 1, &options->cache_retention));
        command->AddFlag({"cache-score", "NAME",
                          "With --cache-retention: by what the keys that stay are chosen: router, saliency, key-norm "
                          "or random.",
                          "random"},
                         ReadChoice(CacheScoreChoices(), &options->cache_score));
        command->AddFlag({"bypass-rank", "N", "Rank of the light bypass of tokens that blocks do not keep.", "32"},
                         ReadInteger(0, kMostBypassRank, &options->bypass_rank));
        command->AddFlag({"seed", "N", "Same seed, same weights.", "7"}, ReadUnsigned(&options->seed));
      },
      &MakeModel);
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  using namespace videodiffcr;  // NOLINT
  PrepareStandardStreams();
  RouteGrpcMessages("videodiffcr-bench");
  const Program program = {{"videodiffcr-bench", "measures the engine, its kernels and a server", "",
                            "videodiffcr-bench chunk --model-folder models/tiny --threads 2"},
                           {Chunk(), Kernels(), Sessions(), Attention(), Linears(), Decode(), Text(), Make()}};
  return RunProgram(program, {argv + 1, argv + argc}, std::cout, std::cerr);
}
