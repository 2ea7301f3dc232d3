// videodiffcr-bench: measures the engine and a running server.
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/commands.h"
#include "bench/decode_bench.h"

ABSL_FLAG(std::string, model_folder, "models/tiny", "chunk: folder of the model to measure");
ABSL_FLAG(int, threads, 0, "chunk: processor threads for denoising; 0: one per processor");
ABSL_FLAG(int, sessions, 0, "sessions in every plan (chunk, default 1), or viewers (sessions, default 4)");
ABSL_FLAG(int, chunks, 30, "chunks measured per budget, after the window is full (chunk), or per decoder (decode)");
ABSL_FLAG(int, prompts, 30, "text: prompts measured per length");
ABSL_FLAG(std::string, server, "127.0.0.1:50051", "sessions: address of the running server, host:port");
ABSL_FLAG(int, seconds, 60, "sessions: playing time per viewer, seconds");
ABSL_FLAG(double, budget, 1.0, "sessions: retention budget of every viewer");
ABSL_FLAG(int, run_ahead, 2, "sessions: chunks that the server may be ahead of the playout clock, 1 to 64");
ABSL_FLAG(bool, staggered, false, "sessions: spread the starts over one chunk's playing time");
ABSL_FLAG(std::string, json, "", "also write the rows to this file, as JSON");

namespace {

constexpr char kUsage[] =
    "measures VideoDiffCR.\n\n"
    "  videodiffcr-bench chunk      stages and passes of a chunk, inside this process, every budget of the model\n"
    "  videodiffcr-bench sessions   viewers with playout clocks on a running server\n"
    "  videodiffcr-bench decode     decoders of the public model on a GPU, random weights\n"
    "  videodiffcr-bench text       UMT5-XXL on a GPU, random weights\n\n"
    "Examples:\n"
    "  videodiffcr-bench chunk --model_folder=models/tiny --threads=2 --chunks=30\n"
    "  videodiffcr-bench sessions --server=127.0.0.1:50051 --sessions=4 --seconds=60";

absl::StatusOr<std::string> Run(const std::string& command) {
  const int sessions = absl::GetFlag(FLAGS_sessions);
  if (command == "chunk") {
    return videodiffcr::RunChunkBench({absl::GetFlag(FLAGS_model_folder), absl::GetFlag(FLAGS_threads),
                                       sessions == 0 ? 1 : sessions, absl::GetFlag(FLAGS_chunks),
                                       absl::GetFlag(FLAGS_json)});
  }
  if (command == "sessions") {
    return videodiffcr::RunSessionsBench({absl::GetFlag(FLAGS_server), sessions == 0 ? 4 : sessions,
                                          absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_budget),
                                          absl::GetFlag(FLAGS_run_ahead), absl::GetFlag(FLAGS_staggered),
                                          absl::GetFlag(FLAGS_json)});
  }
  if (command == "decode") {
    return videodiffcr::RunDecodeBench({absl::GetFlag(FLAGS_chunks), absl::GetFlag(FLAGS_json)});
  }
  if (command == "text") return videodiffcr::RunTextBench({absl::GetFlag(FLAGS_prompts), absl::GetFlag(FLAGS_json)});
  return absl::InvalidArgumentError("unknown subcommand '" + command + "'; it is chunk, sessions, decode or text");
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(kUsage);
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() != 2) {
    std::cerr << "usage: videodiffcr-bench " << kUsage << "\n";
    return 2;
  }
  const absl::StatusOr<std::string> report = Run(arguments[1]);
  if (!report.ok()) {
    std::cerr << "videodiffcr-bench: " << report.status().message() << "\n";
    return report.status().code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
  }
  std::cout << *report;
  return 0;
}
