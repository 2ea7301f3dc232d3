// Clips of training scenes as latents, by number: drawn and encoded when first asked for, then kept on the device.
#ifndef VIDEODIFFCR_TRAINING_STAGES_LATENT_POOL_H_
#define VIDEODIFFCR_TRAINING_STAGES_LATENT_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "training/data/clip_painter.h"
#include "training/model/training_model.h"
#include "training/parallel/gradient_exchange.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

// One chunk of one clip of the pool.
struct PoolChunk {
  int64_t clip = 0;
  int64_t chunk = 0;  // below LatentPool::kChunks
};

class LatentPool {
 public:
  static constexpr int64_t kChunks = 8;  // per clip: 24 latent frames

  // `model` lives as long as the pool. `size` clips, 0.2 MB each once made (stored in 16 bits).
  LatentPool(const TrainingModel& model, uint64_t seed, int64_t size);

  Scene SceneOfClip(int64_t clip) const;

  // On GPUs, several processes that call this together make the whole pool, each its part, instead of what they need as
  // they go. Else, and from the second call on, nothing happens.
  absl::Status MakeTogether(GradientExchange& exchange);

  // [chunks, chunk frames, C, h, w] in fp32.
  at::Tensor Latents(const std::vector<PoolChunk>& chunks);

 private:
  void Make(int64_t group);

  const TrainingModel& model_;
  const uint64_t seed_;
  const int64_t size_;
  // Clips are made in groups of neighbours, always the same ones: on a GPU many at once, on a CPU one by one.
  const int64_t group_clips_;
  const ClipPainter painter_;
  std::vector<char> made_;  // by group
  bool shared_ = false;
  at::Tensor latents_;  // [size x kChunks, chunk frames, C, h, w], fp16
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_LATENT_POOL_H_
