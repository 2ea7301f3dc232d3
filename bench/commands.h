// The subcommands of videodiffcr-bench. Each returns the text to print, or why it could not measure.
#ifndef VIDEODIFFCR_BENCH_COMMANDS_H_
#define VIDEODIFFCR_BENCH_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct ChunkBenchOptions {
  std::string model_folder;
  int threads = 0;        // as in CausalVideoModelOptions
  int sessions = 1;       // in every plan
  int chunks = 30;        // measured per budget, after the window is full
  std::string json_file;  // empty: none
};
// Stages and passes of a chunk inside this process: text, each denoising pass, context pass, decoding; every budget of
// the model in turn, dense first.
absl::StatusOr<std::string> RunChunkBench(const ChunkBenchOptions& options);

struct SessionsBenchOptions {
  std::string server = "127.0.0.1:50051";
  int sessions = 4;
  int seconds = 60;  // of playing time per session
  double budget = 1.0;
  int run_ahead = 2;       // chunks that the server may be ahead of the playout clock
  bool staggered = false;  // starts spread over one chunk's playing time instead of all at once
  std::string json_file;   // empty: none
};
// Viewers of a running server, each with a playout clock: continuous-play ratio, first chunk, stages, server overhead.
absl::StatusOr<std::string> RunSessionsBench(const SessionsBenchOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_COMMANDS_H_
