// videodiffcr-bench: measures the engine, its kernels and a server.
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/commands.h"
#include "bench/decode_bench.h"
#include "bench/kernel_bench.h"

ABSL_FLAG(std::string, model_folder, "models/tiny",
          "chunk, kernels, sessions: folder of the model to measure; make-model: folder whose tokenizer is taken");
ABSL_FLAG(std::string, device, "cpu", "chunk, sessions: where the model runs, cpu or cuda");
ABSL_FLAG(std::string, precision, "bf16", "chunk, kernels, sessions: what a GPU computes in, fp32, bf16 or fp8");
ABSL_FLAG(int, threads, 0, "chunk: processor threads for denoising; 0: one per processor");
ABSL_FLAG(
    std::vector<std::string>, sessions, {},
    "chunk: sessions in every plan, one run for each number of the list (default 1); sessions: viewers (default 4)");
ABSL_FLAG(std::vector<std::string>, budgets, {},
          "chunk, kernels: retention budgets in tenths, for example 10,7; empty: all (kernels: 10)");
ABSL_FLAG(int, chunks, 30,
          "chunks measured per run, after the window is full (chunk, kernels), or per decoder (decode)");
ABSL_FLAG(bool, decode_graph, true, "chunk: decode the tiny model's chunks on a GPU as one CUDA graph each");
ABSL_FLAG(int, prompts, 30, "text: prompts measured per length");
ABSL_FLAG(std::string, server, "",
          "sessions: address of a running server, host:port; empty: starts the one beside this program");
ABSL_FLAG(int, seconds, 60, "sessions: playing time per viewer, seconds");
ABSL_FLAG(double, budget, 1.0, "sessions: retention budget of every viewer");
ABSL_FLAG(int, run_ahead, 2, "sessions: chunks that the server may be ahead of the playout clock, 1 to 64");
ABSL_FLAG(std::string, starts, "aligned",
          "sessions: aligned (all at once), staggered (spread over one chunk's playing time) or both");
ABSL_FLAG(std::string, preset, "wan2.1-t2v-1.3b", "make-model: whose sizes");
ABSL_FLAG(std::string, output, "", "make-model: folder to write");
ABSL_FLAG(std::string, weights_from, "", "make-model: folder made before, to link its files under another config.json");
ABSL_FLAG(int, window_frames, 0, "make-model: latent frames in the window; 0: as the preset has it");
ABSL_FLAG(int, sink_frames, 0, "make-model: of them those of the video's start");
ABSL_FLAG(uint64_t, seed, 1, "make-model: same seed, same weights");
ABSL_FLAG(std::string, json, "", "also write the rows to this file, as JSON");

namespace videodiffcr {
namespace {

absl::StatusOr<std::vector<int>> Numbers(const char* flag, const std::vector<std::string>& words) {
  std::vector<int> numbers;
  for (const std::string& word : words) {
    if (!absl::SimpleAtoi(word, &numbers.emplace_back())) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, "=", word, ": must be whole numbers"));
    }
  }
  return numbers;
}

absl::StatusOr<std::string> Chunk() {
  absl::StatusOr<std::vector<int>> sessions = Numbers("sessions", absl::GetFlag(FLAGS_sessions));
  absl::StatusOr<std::vector<int>> budgets = Numbers("budgets", absl::GetFlag(FLAGS_budgets));
  if (!sessions.ok()) return sessions.status();
  if (!budgets.ok()) return budgets.status();
  if (sessions->empty()) sessions->push_back(1);
  return RunChunkBench({absl::GetFlag(FLAGS_model_folder), absl::GetFlag(FLAGS_device), absl::GetFlag(FLAGS_precision),
                        absl::GetFlag(FLAGS_threads), *sessions, *budgets, absl::GetFlag(FLAGS_chunks),
                        absl::GetFlag(FLAGS_decode_graph), absl::GetFlag(FLAGS_json)});
}

absl::StatusOr<std::string> Kernels() {
  absl::StatusOr<std::vector<int>> budgets = Numbers("budgets", absl::GetFlag(FLAGS_budgets));
  if (!budgets.ok()) return budgets.status();
  if (budgets->size() > 1) return absl::InvalidArgumentError("--budgets: kernels takes one budget, for example 7");
  if (budgets->empty()) budgets->push_back(10);
  return RunKernelsBench({absl::GetFlag(FLAGS_model_folder), absl::GetFlag(FLAGS_precision), budgets->front(),
                          absl::GetFlag(FLAGS_chunks), absl::GetFlag(FLAGS_json)});
}

absl::StatusOr<std::string> Sessions() {
  SessionsBenchOptions options;
  const absl::StatusOr<std::vector<int>> sessions = Numbers("sessions", absl::GetFlag(FLAGS_sessions));
  if (!sessions.ok()) return sessions.status();
  if (sessions->size() > 1 || (sessions->size() == 1 && (sessions->front() < 1 || sessions->front() > 1024))) {
    return absl::InvalidArgumentError("--sessions: must be one number of viewers from 1 to 1024");
  }
  if (!sessions->empty()) options.sessions = sessions->front();
  const std::string starts = absl::GetFlag(FLAGS_starts);
  if (starts == "staggered") {
    options.starts = ViewerStarts::kStaggered;
  } else if (starts == "both") {
    options.starts = ViewerStarts::kBoth;
  } else if (starts != "aligned") {
    return absl::InvalidArgumentError(absl::StrCat("--starts=", starts, ": must be aligned, staggered or both"));
  }
  options.server = absl::GetFlag(FLAGS_server);
  options.model_folder = absl::GetFlag(FLAGS_model_folder);
  options.device = absl::GetFlag(FLAGS_device);
  options.precision = absl::GetFlag(FLAGS_precision);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.budget = absl::GetFlag(FLAGS_budget);
  options.run_ahead = absl::GetFlag(FLAGS_run_ahead);
  options.json_file = absl::GetFlag(FLAGS_json);
  return RunSessionsBench(options);
}

absl::StatusOr<std::string> Make() {
  return MakeModel({absl::GetFlag(FLAGS_preset), absl::GetFlag(FLAGS_output), absl::GetFlag(FLAGS_weights_from),
                    absl::GetFlag(FLAGS_model_folder), absl::GetFlag(FLAGS_window_frames),
                    absl::GetFlag(FLAGS_sink_frames), absl::GetFlag(FLAGS_seed)});
}

absl::StatusOr<std::string> Attention() { return RunAttentionBench({absl::GetFlag(FLAGS_json)}); }
absl::StatusOr<std::string> Linears() { return RunLinearsBench({absl::GetFlag(FLAGS_json)}); }

absl::StatusOr<std::string> Decode() {
  return RunDecodeBench({absl::GetFlag(FLAGS_chunks), absl::GetFlag(FLAGS_json)});
}
absl::StatusOr<std::string> Text() { return RunTextBench({absl::GetFlag(FLAGS_prompts), absl::GetFlag(FLAGS_json)}); }

struct Subcommand {
  const char* name;
  const char* help;
  absl::StatusOr<std::string> (*run)();
};

constexpr Subcommand kSubcommands[] = {
    {"chunk", "stages and passes of a chunk, inside this process, every budget of the model", Chunk},
    {"kernels", "where a chunk's time goes on a GPU: its kernels, and when none runs", Kernels},
    {"sessions", "viewers with playout clocks on a server", Sessions},
    {"attention", "our attention on a GPU beside LibTorch's, at the sizes of the public model", Attention},
    {"linears", "our products on a GPU in bf16 and fp8, at the sizes of the public model", Linears},
    {"decode", "decoders of the public model on a GPU, random weights", Decode},
    {"text", "UMT5-XXL on a GPU, random weights", Text},
    {"make-model", "a model folder of the public model's sizes with random weights", Make},
};

std::string Usage() {
  std::string text = "measures VideoDiffCR.\n\n";
  for (const Subcommand& command : kSubcommands) {
    absl::StrAppend(&text, "  videodiffcr-bench ", command.name,
                    std::string(12 - std::string(command.name).size(), ' '), command.help, "\n");
  }
  return text +
         "\nExamples:\n"
         "  videodiffcr-bench chunk --model_folder=models/tiny --threads=2 --chunks=30\n"
         "  videodiffcr-bench sessions --sessions=4 --seconds=60\n"
         "  videodiffcr-bench make-model --output=/tmp/shape --window_frames=12 --sink_frames=3";
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(Usage());
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  for (const Subcommand& command : kSubcommands) {
    if (arguments.size() != 2 || std::string(arguments[1]) != command.name) continue;
    const absl::StatusOr<std::string> report = command.run();
    if (report.ok()) {
      std::cout << *report;
      return 0;
    }
    std::cerr << "videodiffcr-bench: " << report.status().message() << "\n";
    return report.status().code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
  }
  std::cerr << "usage: videodiffcr-bench " << Usage() << "\n";
  return 2;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) { return videodiffcr::Main(argc, argv); }
