// Chunks in latent space, made by the kernels that serve, several clips at once: for who trains and judges. Text rows
// and seeds go in, latents come out; who learns from what blocks do may look at the residual stream between them.
// No prompt, no decoder, no scheduler.
//
// Errors are statuses, one for all clips. One thread at a time; on a GPU all work is queued on its current stream.
#ifndef VIDEODIFFCR_MODEL_ROLLOUT_LATENT_ROLLOUT_H_
#define VIDEODIFFCR_MODEL_ROLLOUT_LATENT_ROLLOUT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/config/model_config.h"

namespace videodiffcr {

struct RolloutClip {
  // [rows, text_dim], at most text_len rows: those of the prompt with its end token, without padding. Any floating
  // type.
  at::Tensor text;
  uint64_t seed = 0;  // every noise tensor comes from (seed, chunk, step), as in serving
};

// What the blocks of one denoising pass read and left.
struct ObservedPass {
  int64_t chunk = 0;
  int step = 0;
  // [blocks + 1, clips, N, D] fp32 on the rollout's device: entry l is what block l reads, the last one what the head
  // reads. The next pass overwrites it.
  at::Tensor stream;
};
using OnPass = std::function<absl::Status(const ObservedPass& pass)>;

class LatentRollout {
 public:
  virtual ~LatentRollout() = default;

  virtual const ModelConfig& config() const = 0;
  virtual at::Device device() const = 0;
  virtual int most_clips() const = 0;  // of one Begin()

  // New videos, at their first chunk. InvalidArgument when there are none, too many, or text of another shape.
  virtual absl::Status Begin(const std::vector<RolloutClip>& clips) = 0;

  // The next chunk of every clip, its context pass included: [clips, chunk frames, C, h, w] fp32 on the device.
  // `on_pass` is called after every denoising pass; without it nothing is looked at and nothing copied. Its first error
  // ends the chunk. InvalidArgument when the model has no such budget.
  virtual absl::StatusOr<at::Tensor> NextChunk(RetentionTenths budget, const OnPass& on_pass) = 0;
};

struct LatentRolloutOptions {
  std::string model_folder;
  std::string device = "cpu";      // or "cuda", in a build that knows it
  std::string precision = "bf16";  // of a GPU: "bf16" or "fp32"
  int most_clips = 0;              // side by side; fewer where more are not worth it; 0: as many as are
  int threads = 0;                 // of a CPU; 0: one per processor. Changes no bit of the latents.
};

// Reads the transformer of a model folder, with routers when it has some. Errors name the file and what is wrong.
absl::StatusOr<std::unique_ptr<LatentRollout>> CreateLatentRollout(const LatentRolloutOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_ROLLOUT_LATENT_ROLLOUT_H_
