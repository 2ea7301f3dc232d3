#include "training/evaluation/object_view.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/atan2.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>

namespace videodiffcr::training {
namespace {

constexpr double kDiffers = 0.08;                // from the background, in some colour
constexpr double kDarkestShadow = 0.5;           // shadows multiply by 0.62 at least (tiny_recipe.md section 1)
constexpr double kShadowError = 0.06;            // of a background multiplied by one number
constexpr int64_t kCropSize = 64;                // the largest object is 52 pixels wide
constexpr double kCropBackground = 112.0 / 255;  // the world's gray
constexpr double kLeastSaturation = 0.25;        // of a mean colour that has a hue

// The middle of mass along one axis of a torus, as whole pixels: weights [n, size] -> [n].
at::Tensor MiddleOnCircle(const at::Tensor& weights) {
  const double size = static_cast<double>(weights.size(1));
  const at::Tensor angle = (at::arange(weights.size(1), weights.options()) + 0.5) * (2 * M_PI / size);
  const at::Tensor middle = at::atan2((weights * angle.sin()).sum(1), (weights * angle.cos()).sum(1));
  return (middle * (size / (2 * M_PI))).floor().to(at::kLong);
}

// kCropSize places around each middle, wrapped: [n, kCropSize].
at::Tensor PlacesAround(const at::Tensor& middle, int64_t size) {
  const at::Tensor offsets = at::arange(kCropSize, middle.options()) - kCropSize / 2;
  return (middle.unsqueeze(1) + offsets).remainder(size);
}

// Hue of mean colours [n, 3], degrees in [-180, 180]; NaN where there is none.
at::Tensor HueOf(const at::Tensor& rgb) {
  const at::Tensor red = rgb.select(1, 0), green = rgb.select(1, 1), blue = rgb.select(1, 2);
  const at::Tensor hue = at::atan2(std::sqrt(3.0) * (green - blue), 2 * red - green - blue) * (180 / M_PI);
  const at::Tensor brightest = rgb.amax(1), saturation = (brightest - rgb.amin(1)) / brightest.clamp_min(1e-3);
  return at::where(saturation < kLeastSaturation, at::full_like(hue, std::numeric_limits<double>::quiet_NaN()), hue);
}

}  // namespace

at::Tensor PaintBackgrounds(const ClipPainter& painter, const std::vector<AttributeValues>& values) {
  std::vector<ClipToPaint> bare;
  bare.reserve(values.size());
  for (const AttributeValues& value : values) {
    bare.push_back({{{{0, {}, {value[kBackgroundColor], value[kTexture]}}}}, 0});
  }
  return painter.Paint(bare, 1).backgrounds;
}

at::Tensor FindObject(const at::Tensor& frames, const at::Tensor& backgrounds) {
  const at::Tensor differs = (frames - backgrounds).abs().amax(2, /*keepdim=*/true).gt(kDiffers);
  // The best factor by least squares, and what it leaves.
  const at::Tensor factor =
      (frames * backgrounds).sum(2, /*keepdim=*/true) / backgrounds.square().sum(2, /*keepdim=*/true).clamp_min(1e-4);
  const at::Tensor error = (frames - factor * backgrounds).abs().amax(2, /*keepdim=*/true);
  const at::Tensor shadow = factor.gt(kDarkestShadow).logical_and(factor < 1).logical_and(error < kShadowError);
  return differs.logical_and(shadow.logical_not()).to(at::kFloat);
}

at::Tensor CropToObject(const at::Tensor& frames, const at::Tensor& masks) {
  const int64_t count = frames.size(0), height = frames.size(2), width = frames.size(3);
  const at::Tensor plane = masks.squeeze(1);
  const at::Tensor x = PlacesAround(MiddleOnCircle(plane.sum(1)), width);
  const at::Tensor y = PlacesAround(MiddleOnCircle(plane.sum(2)), height);
  const at::Tensor alone = frames * masks + kCropBackground * (1 - masks);
  const at::Tensor columns = alone.gather(3, x.view({count, 1, 1, kCropSize}).expand({count, 3, height, kCropSize}));
  return columns.gather(2, y.view({count, 1, kCropSize, 1}).expand({count, 3, kCropSize, kCropSize}));
}

at::Tensor WithoutObject(const at::Tensor& frames, const at::Tensor& masks) {
  const at::Tensor rest = 1 - masks;
  const at::Tensor mean =
      (frames * rest).sum({2, 3}, /*keepdim=*/true) / rest.sum({2, 3}, /*keepdim=*/true).clamp_min(1);
  return frames * rest + mean * masks;
}

at::Tensor FrameFeatures(const ClassifierWeights& weights, const at::Tensor& frames) {
  // Nine equal frames through the first convolution are one frame through the sum of its nine parts.
  ClassifierWeights still = weights;
  at::Tensor& first = still.stages[0].conv.weight;
  first = first.unflatten(1, {kReadFrames, 3}).sum(1);
  const at::Tensor features = ClipFeatures(still, frames.unsqueeze(1));
  return features / features.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-6);
}

ObjectLook LookAtObject(const ClassifierWeights& weights, const at::Tensor& frames, const at::Tensor& backgrounds) {
  const int64_t clips = frames.size(0), count = frames.size(1);
  const at::Tensor masks = FindObject(frames, backgrounds);
  ObjectLook look;
  const at::Tensor crops = CropToObject(frames.flatten(0, 1), masks.flatten(0, 1));
  const at::Tensor mean = FrameFeatures(weights, crops).view({clips, count, -1}).mean(1);
  look.features = mean / mean.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-6);
  const at::Tensor pixels = masks.sum({1, 2, 3, 4});
  look.area = pixels / static_cast<double>(count);
  const at::Tensor color = (frames * masks).sum(at::IntArrayRef{1, 3, 4}) / pixels.clamp_min(1).unsqueeze(1);
  look.hue = HueOf(color).masked_fill(look.area < kLeastObjectPixels, std::numeric_limits<double>::quiet_NaN());
  return look;
}

}  // namespace videodiffcr::training
