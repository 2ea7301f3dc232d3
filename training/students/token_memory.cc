#include "training/students/token_memory.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include "model/plain/transformer/selection.h"

namespace videodiffcr::training {

at::Tensor TokenMemory::Remembered(size_t step, size_t block, int64_t frames, const at::Tensor& scores) const {
  const at::Tensor deviation = scores.std(1, /*unbiased=*/false, /*keepdim=*/true);
  at::Tensor result = scores;
  const Kept& before = kept_[block];
  if (options_.hysteresis > 0 && before.mask.defined() && before.step + 1 == step) {
    result = result + options_.hysteresis * deviation * before.mask;
  }
  if (options_.anchor > 0 && places_[block].defined()) {
    result = result + options_.anchor * deviation * places_[block].repeat({1, frames});
  }
  return result;
}

TokenSelector TokenMemory::Selector(size_t step, size_t block, int64_t frames, double frame_floor) {
  return [=, this](const at::Tensor& scores, int64_t kept_rows) {
    const at::Tensor kept = SelectTokens(Remembered(step, block, frames, scores), kept_rows, frames, frame_floor);
    kept_[block] = {step, at::zeros_like(scores).scatter(1, kept, 1)};
    return kept;
  };
}

void TokenMemory::Look(const RanBlock& block) {
  CacheRule rule;
  rule.score = CacheScore::kSaliency;
  const int64_t frames = block.context.time.size(1);
  const at::Tensor place = RankCachedKeys(rule, block).unflatten(1, {frames, -1}).mean(1).log();
  const at::Tensor centred = place - place.mean(1, /*keepdim=*/true);
  places_[static_cast<size_t>(block.index)] = centred / (centred.square().mean(1, /*keepdim=*/true).sqrt() + 1e-6);
}

}  // namespace videodiffcr::training
