// Decoders and the text encoder alone on a GPU, at the size of the public model with random weights ("shape
// benchmark").
#ifndef VIDEODIFFCR_BENCH_DECODE_BENCH_H_
#define VIDEODIFFCR_BENCH_DECODE_BENCH_H_

#include <string>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct DecodeBenchOptions {
  int chunks = 30;        // measured, after warm-up; steady ones of three latent frames, 832x480
  std::string json_file;  // empty: none
};
// Wan's autoencoder and TAEHV, fast path and plain network: a chunk's decoding on the device, the time to queue it, and
// the way of its frames to the host as YUV 4:2:0. FailedPrecondition without CUDA.
absl::StatusOr<std::string> RunDecodeBench(const DecodeBenchOptions& options);

struct TextBenchOptions {
  int prompts = 30;       // measured per length, after warm-up
  std::string json_file;  // empty: none
};
// UMT5-XXL in bf16, prompts of several lengths up to 512 tokens. FailedPrecondition without CUDA.
absl::StatusOr<std::string> RunTextBench(const TextBenchOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_DECODE_BENCH_H_
