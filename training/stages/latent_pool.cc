#include "training/stages/latent_pool.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "training/run/mixed_precision.h"

namespace videodiffcr::training {

LatentPool::LatentPool(const TrainingModel& model, uint64_t seed, int64_t size)
    : model_(model),
      seed_(seed),
      size_(size),
      group_clips_(model.device.is_cpu() ? 1 : 32),
      painter_(model.device),
      made_(static_cast<size_t>((size + group_clips_ - 1) / group_clips_), 0) {
  const TransformerConfig& config = model.config.transformer;
  latents_ = at::empty({size * kChunks, config.chunk_frames, config.in_dim, config.latent_height, config.latent_width},
                       at::TensorOptions(at::kHalf).device(model.device));
}

Scene LatentPool::SceneOfClip(int64_t clip) const {
  RandomStream random(seed_, DrawPurpose::kScene, static_cast<uint64_t>(clip));
  return SampleScene({}, random);
}

at::Tensor LatentPool::Latents(const std::vector<PoolChunk>& chunks) {
  std::vector<int64_t> rows;
  for (const PoolChunk& chunk : chunks) {
    Make(chunk.clip / group_clips_);
    rows.push_back(chunk.clip * kChunks + chunk.chunk);
  }
  return latents_.index_select(0, at::tensor(rows, at::kLong).to(model_.device)).to(at::kFloat);
}

absl::Status LatentPool::MakeTogether(GradientExchange& exchange) {
  if (shared_ || model_.device.is_cpu() || exchange.world() == 1) return absl::OkStatus();
  shared_ = true;
  latents_.zero_();  // so that the sum over the ranks is what each has made
  const auto groups = static_cast<int64_t>(made_.size());
  for (int64_t group = exchange.rank(); group < groups; group += exchange.world()) Make(group);
  std::fill(made_.begin(), made_.end(), 1);
  return exchange.AllReduceSum({latents_});
}

void LatentPool::Make(int64_t group) {
  if (made_[static_cast<size_t>(group)] != 0) return;
  const c10::NoGradGuard no_gradients;
  const MixedPrecision mixed_precision(model_.device);
  const int64_t first = group * group_clips_, count = std::min(group_clips_, size_ - first);
  std::vector<ClipToPaint> clips;
  for (int64_t clip = first; clip < first + count; ++clip) clips.push_back({SceneOfClip(clip), 0});
  const at::Tensor pixels = painter_.Paint(clips, FirstFrameOfChunk(kChunks)).pixels;
  const at::Tensor latents = EncodePixelShuffleTaehv(model_.encoder, pixels);  // [count, 24, C, h, w]
  latents_.narrow(0, first * kChunks, count * kChunks).copy_(latents.unflatten(1, {kChunks, -1}).flatten(0, 1));
  made_[static_cast<size_t>(group)] = 1;
}

}  // namespace videodiffcr::training
