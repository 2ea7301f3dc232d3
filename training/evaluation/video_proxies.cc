#include "training/evaluation/video_proxies.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>

#include "training/evaluation/object_view.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kClipsAtOnce = 16;
constexpr int64_t kSearch = 4;          // half-resolution pixels each way: up to 4 pixels per frame
constexpr int64_t kBlock = 4;           // half-resolution pixels
constexpr double kMovePenalty = 0.004;  // per half-resolution pixel: what is alike everywhere stands still
constexpr double kMoving = 0.7;         // pixels per frame
constexpr double kFastestShare = 0.05, kMovingShare = 0.25;

at::Tensor Gray(const at::Tensor& frames) { return frames.mean(2); }

// How far each block of `before` has moved in `after`, both [n, height, width]: half-resolution pixels, [n, blocks].
at::Tensor BlockMotion(const at::Tensor& before, const at::Tensor& after) {
  at::Tensor least, motion;
  for (int64_t dy = -kSearch; dy <= kSearch; ++dy) {
    for (int64_t dx = -kSearch; dx <= kSearch; ++dx) {
      const double length = std::hypot(dx, dy);
      const at::Tensor difference = (at::roll(before, {dy, dx}, {1, 2}) - after).abs().unsqueeze(1);
      const at::Tensor cost = at::avg_pool2d(difference, kBlock).flatten(1) + kMovePenalty * length;
      if (!least.defined()) {
        least = cost;
        motion = at::full(cost.sizes(), length, cost.options());
        continue;
      }
      const at::Tensor better = cost < least;
      least = at::where(better, cost, least);
      motion.masked_fill_(better, length);
    }
  }
  return motion;
}

// Of each frame's Laplacian, mean over frames: [clips].
at::Tensor Sharpness(const at::Tensor& frames) {
  const at::Tensor gray = Gray(frames);
  const auto inner = [&gray](int64_t down, int64_t right) {
    return gray.narrow(2, 1 + down, gray.size(2) - 2).narrow(3, 1 + right, gray.size(3) - 2);
  };
  const at::Tensor laplacian = inner(-1, 0) + inner(1, 0) + inner(0, -1) + inner(0, 1) - 4 * inner(0, 0);
  return laplacian.flatten(2).var(2).mean(1);
}

void Store(const at::Tensor& values, int64_t first, ClipColumn column, std::vector<ClipRecord>& records) {
  const at::Tensor on_cpu = values.to(at::kDouble).cpu().contiguous();
  for (int64_t i = 0; i < on_cpu.numel(); ++i) {
    records[static_cast<size_t>(first + i)].values[column] = on_cpu.const_data_ptr<double>()[i];
  }
}

// Both consistencies, over the nine frames that are read.
void MeasureConsistency(const ClassifierWeights& weights, const at::Tensor& frames, const at::Tensor& backgrounds,
                        int64_t first, std::vector<ClipRecord>& records) {
  const int64_t clips = frames.size(0);
  const at::Tensor masks = FindObject(frames, backgrounds).flatten(0, 1), flat = frames.flatten(0, 1);
  const auto by_clip = [clips](const at::Tensor& features) { return features.view({clips, kReadFrames, -1}); };
  const at::Tensor there = masks.sum({1, 2, 3}).ge(kLeastObjectPixels).to(at::kFloat).view({clips, kReadFrames});
  const at::Tensor subject = by_clip(FrameFeatures(weights, CropToObject(flat, masks)));
  Store(Consistency(subject, there), first, kSubjectConsistency, records);
  const at::Tensor background = by_clip(FrameFeatures(weights, WithoutObject(flat, masks)));
  Store(Consistency(background, at::ones_like(there)), first, kBackgroundConsistency, records);
}

}  // namespace

at::Tensor TemporalFlickering(const at::Tensor& frames) {
  const int64_t pairs = frames.size(1) - 1;
  return 1 - (frames.narrow(1, 1, pairs) - frames.narrow(1, 0, pairs)).abs().mean(at::IntArrayRef{1, 2, 3, 4});
}

at::Tensor MotionSmoothness(const at::Tensor& frames) {
  const int64_t last_even = (frames.size(1) - 1) / 2 * 2;
  const at::Tensor even = frames.slice(1, 0, last_even + 1, 2), odd = frames.slice(1, 1, last_even, 2);
  const int64_t count = odd.size(1);
  return 1 - (odd - (even.narrow(1, 0, count) + even.narrow(1, 1, count)) / 2).abs().mean(at::IntArrayRef{1, 2, 3, 4});
}

at::Tensor DynamicDegree(const at::Tensor& frames) {
  const at::Tensor half = at::avg_pool2d(Gray(frames.slice(1, 0, frames.size(1), 2)), 2);
  const int64_t pairs = half.size(1) - 1;
  const at::Tensor motion = BlockMotion(half.narrow(1, 0, pairs).flatten(0, 1), half.narrow(1, 1, pairs).flatten(0, 1));
  const int64_t fastest = std::max<int64_t>(1, std::llround(kFastestShare * static_cast<double>(motion.size(1))));
  // Half-resolution pixels in two frames are pixels in one.
  const at::Tensor moves = std::get<0>(motion.topk(fastest, 1)).mean(1).gt(kMoving).to(at::kFloat);
  return moves.view({frames.size(0), pairs}).mean(1).ge(kMovingShare).to(at::kFloat);
}

at::Tensor ImagingQuality(const at::Tensor& frames, const at::Tensor& renders) {
  return (Sharpness(frames) / Sharpness(renders).clamp_min(1e-8)).clamp(0, 1);
}

at::Tensor Consistency(const at::Tensor& features, const at::Tensor& there) {
  const int64_t pairs = features.size(1) - 1;
  const at::Tensor now = features.narrow(1, 1, pairs);
  const auto likeness = [&](const at::Tensor& other, const at::Tensor& other_there) {
    return (now * other).sum(2).clamp_min(0) * there.narrow(1, 1, pairs) * other_there;
  };
  const at::Tensor to_last = likeness(features.narrow(1, 0, pairs), there.narrow(1, 0, pairs));
  const at::Tensor to_first = likeness(features.narrow(1, 0, 1), there.narrow(1, 0, 1));
  return (to_last + to_first).mean(1) / 2;
}

void MeasureProxies(const ClassifierWeights& weights, const ProxyInput& input, std::vector<ClipRecord>& records) {
  for (int64_t first = 0; first < input.frames.size(0); first += kClipsAtOnce) {
    const int64_t count = std::min(kClipsAtOnce, input.frames.size(0) - first);
    const at::Tensor frames =
        input.frames.narrow(0, first, count).narrow(1, input.frames.size(1) - kJudgedFrames, kJudgedFrames);
    const at::Tensor read = ReadFrames(frames);
    MeasureConsistency(weights, read, input.backgrounds.narrow(0, first, count), first, records);
    Store(MotionSmoothness(frames), first, kMotionSmoothness, records);
    Store(DynamicDegree(frames), first, kDynamicDegree, records);
    Store(ImagingQuality(read, input.renders.narrow(0, first, count)), first, kImagingQuality, records);
    const at::Tensor flicker = TemporalFlickering(frames).to(at::kDouble).cpu();
    for (int64_t i = 0; i < count; ++i) {
      const size_t clip = static_cast<size_t>(first + i);
      if (input.still[clip]) records[clip].values[kTemporalFlickering] = flicker[i].item<double>();
    }
  }
}

}  // namespace videodiffcr::training
