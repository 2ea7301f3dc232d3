// The subcommands of videodiffcr-bench. Each returns the text to print, or why it could not measure.
#ifndef VIDEODIFFCR_BENCH_COMMANDS_H_
#define VIDEODIFFCR_BENCH_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct ChunkBenchOptions {
  std::string model_folder;
  std::string device = "cpu";       // this and the next two as in VideoModelOptions
  std::string precision = "bf16";   // of a GPU only
  int threads = 0;                  // of the CPU only
  std::vector<int> sessions = {1};  // in every plan, one run each; at most what the model takes in one plan
  std::vector<int> budgets;         // tenths, of the model's; empty: all
  int chunks = 30;                  // measured per run, after the window is full
  bool decode_graph = true;         // as in VideoModelOptions, of a GPU only
  std::string json_file;            // empty: none
};
// Stages and passes of a chunk inside this process: the first chunk from prompt to frames, each denoising pass, context
// pass, decoding, and the time from one finished chunk to the next; dense first.
absl::StatusOr<std::string> RunChunkBench(const ChunkBenchOptions& options);

struct KernelsBenchOptions {
  std::string model_folder;
  std::string precision = "bf16";  // as in VideoModelOptions
  int budget = 10;                 // tenths, of the model's
  int chunks = 30;                 // traced, after the window is full
  std::string json_file;           // empty: none
};
// Where a chunk's time goes on a GPU: its kernels, and when none runs. FailedPrecondition without CUDA.
absl::StatusOr<std::string> RunKernelsBench(const KernelsBenchOptions& options);

enum class ViewerStarts {
  kAligned,    // all at once
  kStaggered,  // spread over one chunk's playing time
  kBoth,       // one after the other
};

struct SessionsBenchOptions {
  std::string server;        // address of a running server; empty: starts one, with the next three
  std::string model_folder;  // as the server's flags
  std::string device = "cpu";
  std::string precision = "bf16";
  int sessions = 4;
  int seconds = 60;  // of playing time per session
  double budget = 1.0;
  int run_ahead = 2;  // chunks that the server may be ahead of the playout clock
  ViewerStarts starts = ViewerStarts::kAligned;
  std::string json_file;  // empty: none
};
// Viewers of a server, each with a playout clock: continuous-play ratio, first chunk, stages, server overhead. Of a
// server that it started also the time to SERVING and the first chunk of the first requests: the second is the same
// again, the third has a prompt of another length, the fourth comes after a rest.
absl::StatusOr<std::string> RunSessionsBench(const SessionsBenchOptions& options);

struct MakeModelOptions {
  std::string preset = "wan2.1-t2v-1.3b";
  std::string output;            // folder to write
  std::string weights_from;      // a folder made before: its files are linked, only config.json is new; empty: none
  std::string tokenizer_folder;  // model folder whose tokenizer is taken
  int window_frames = 0;         // 0: as the preset or that folder has it
  int sink_frames = 0;
  std::vector<int> denoise_steps;  // nominal; empty: as the preset or that folder has them
  std::vector<int> budgets;        // tenths below 10, falling, the same of every block; empty: the same
  double cache_retention = 0;      // share of a chunk's keys that stays, at every budget; 0: as that folder has it
  std::string cache_score = "router";
  int64_t bypass_rank = 0;  // of the light bypass; 0: none, or as that folder has it
  uint64_t seed = 1;
};
// A model folder for a shape benchmark (bench/shape_model.h).
absl::StatusOr<std::string> MakeModel(const MakeModelOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_COMMANDS_H_
