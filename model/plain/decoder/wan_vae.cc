#include "model/plain/decoder/wan_vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <array>
#include <cmath>

#include "model/plain/decoder/causal_conv.h"

namespace videodiffcr {
namespace {

constexpr int64_t kFramesPerLatent = 4;

// wan_vae.md section 2, one per latent channel.
constexpr std::array<double, 16> kLatentMean = {-0.7571, -0.7089, -0.9113, 0.1075,  -0.1745, 0.9653,  -0.1517, 1.5508,
                                                0.4134,  -0.0715, 0.5517,  -0.3632, -0.1922, -0.9497, 0.2503,  -0.2921};
constexpr std::array<double, 16> kLatentStd = {2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                                               3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160};

// [1, 16, 1, 1, 1] in the type of `like`.
at::Tensor PerChannel(const std::array<double, 16>& values, const at::Tensor& like) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble)
      .to(like.device(), like.scalar_type())
      .view({1, -1, 1, 1, 1});
}

// The histories one after another, in the order in which the layers use them.
class Histories {
 public:
  explicit Histories(std::vector<at::Tensor>* tensors) : tensors_(tensors) {}

  at::Tensor* Next() {
    if (next_ == tensors_->size()) tensors_->emplace_back();
    return &(*tensors_)[next_++];
  }

 private:
  std::vector<at::Tensor>* tensors_;
  size_t next_ = 0;
};

// x / |x| sqrt(C) gamma over the channels; not the mean-square norm of the transformer.
at::Tensor ChannelNorm(const at::Tensor& x, const at::Tensor& gamma) {
  const at::Tensor length = at::linalg_vector_norm(x, 2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  return x / length * std::sqrt(static_cast<double>(x.size(1))) * gamma;
}

at::Tensor ResidualBlock(const ResidualBlockWeights& block, const at::Tensor& x, Histories& histories) {
  const at::Tensor skip = block.shortcut ? PointConv(x, *block.shortcut) : x;
  const at::Tensor y = CausalConv(at::silu(ChannelNorm(x, block.norm1)), block.conv1, histories.Next());
  return CausalConv(at::silu(ChannelNorm(y, block.norm2)), block.conv2, histories.Next()) + skip;
}

// [1, C, T, H, W] -> [T, C, H, W] and back.
at::Tensor Frames(const at::Tensor& x) { return x[0].transpose(0, 1); }
at::Tensor Clip(const at::Tensor& frames) { return frames.transpose(0, 1).unsqueeze(0); }

// One head over the H W positions of each frame.
at::Tensor SpatialAttention(const SpatialAttentionWeights& weights, const at::Tensor& x) {
  const at::Tensor frames = Frames(x);
  const at::Tensor qkv = at::conv2d(ChannelNorm(frames, weights.norm), weights.to_qkv.weight, weights.to_qkv.bias);
  const std::vector<at::Tensor> parts =
      qkv.flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, -1);  // [T, 1, H W, C] each
  const at::Tensor y = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]);
  const at::Tensor image = y.squeeze(1).transpose(1, 2).reshape(frames.sizes());
  return x + Clip(at::conv2d(image, weights.proj.weight, weights.proj.bias));
}

at::Tensor Middle(const MiddleWeights& middle, at::Tensor x, Histories& histories) {
  x = ResidualBlock(middle.first, x, histories);
  x = SpatialAttention(middle.attention, x);
  return ResidualBlock(middle.second, x, histories);
}

at::Tensor Head(const VaeHeadWeights& head, const at::Tensor& x, Histories& histories) {
  return CausalConv(at::silu(ChannelNorm(x, head.norm)), head.conv, histories.Next());
}

// Each frame becomes two: the first half of the channels is the earlier one.
at::Tensor DoubleFrames(const at::Tensor& x, const ConvWeights& conv, at::Tensor* history) {
  const at::Tensor y = CausalConv(x, conv, history);  // [1, 2C, T, H, W]
  return y.unflatten(1, {2, x.size(1)})
      .permute({0, 2, 3, 1, 4, 5})
      .reshape({1, x.size(1), 2 * x.size(2), x.size(3), x.size(4)});
}

at::Tensor Upsample(const ResampleWeights& up, at::Tensor x, bool stream_start, Histories& histories) {
  if (up.temporal) {
    at::Tensor* history = histories.Next();
    // The first latent frame of a stream stays one frame, and its features never enter this convolution's history.
    if (!stream_start) x = DoubleFrames(x, *up.temporal, history);
  }
  const at::Tensor frames = Frames(x);
  const at::Tensor large = at::upsample_nearest2d(frames, {2 * frames.size(2), 2 * frames.size(3)});
  return Clip(at::conv2d(large, up.spatial.weight, up.spatial.bias, 1, 1));
}

// `last`: the newest input frame of the temporal convolution so far; the first frame of a video only leaves itself
// there.
at::Tensor Downsample(const ResampleWeights& down, const at::Tensor& x, Histories& histories) {
  const at::Tensor padded = at::constant_pad_nd(Frames(x), {0, 1, 0, 1});
  const at::Tensor small = Clip(at::conv2d(padded, down.spatial.weight, down.spatial.bias, 2));
  if (!down.temporal) return small;
  at::Tensor* last = histories.Next();
  const at::Tensor before = *last;
  *last = small.narrow(2, small.size(2) - 1, 1);
  if (!before.defined()) return small;
  return at::conv3d(at::cat({before, small}, 2), down.temporal->weight, down.temporal->bias, {2, 1, 1});
}

// z [1, 16, 1, h, w]: one latent frame.
at::Tensor DecodeLatentFrame(const WanVaeDecoderWeights& weights, const at::Tensor& z, bool stream_start,
                             Histories histories) {
  at::Tensor x = CausalConv(PointConv(z, weights.conv2), weights.conv1, histories.Next());
  x = Middle(weights.middle, x, histories);
  for (const VaeLevelWeights& level : weights.levels) {
    for (const ResidualBlockWeights& block : level.blocks) x = ResidualBlock(block, x, histories);
    if (level.resample) x = Upsample(*level.resample, x, stream_start, histories);
  }
  return Head(weights.head, x, histories);
}

// x [1, 3, 1 or 4, H, W]: the frames of one latent frame.
at::Tensor EncodeFrameGroup(const WanVaeEncoderWeights& weights, at::Tensor x, Histories histories) {
  x = CausalConv(x, weights.conv1, histories.Next());
  for (const VaeLevelWeights& level : weights.levels) {
    for (const ResidualBlockWeights& block : level.blocks) x = ResidualBlock(block, x, histories);
    if (level.resample) x = Downsample(*level.resample, x, histories);
  }
  x = Middle(weights.middle, x, histories);
  return PointConv(Head(weights.head, x, histories), weights.conv_out);
}

}  // namespace

LatentNormalization WanLatentNormalization(at::ScalarType dtype) {
  const at::Tensor like = at::empty({0}, at::TensorOptions().dtype(dtype));
  return {PerChannel(kLatentMean, like).flatten(), (1 / PerChannel(kLatentStd, like)).flatten()};
}

std::vector<std::vector<int64_t>> WanVaeHistoryShapes(const WanVaeDecoderWeights& weights, int64_t latent_height,
                                                      int64_t latent_width) {
  std::vector<std::vector<int64_t>> shapes;
  int64_t height = latent_height, width = latent_width;
  const auto add = [&](const ConvWeights& conv) {
    shapes.push_back({1, conv.weight.size(1), kHistoryFrames, height, width});
  };
  const auto add_block = [&](const ResidualBlockWeights& block) {
    add(block.conv1);
    add(block.conv2);
  };
  add(weights.conv1);
  add_block(weights.middle.first);
  add_block(weights.middle.second);
  for (const VaeLevelWeights& level : weights.levels) {
    for (const ResidualBlockWeights& block : level.blocks) add_block(block);
    if (!level.resample) continue;
    if (level.resample->temporal) add(*level.resample->temporal);
    height *= 2;
    width *= 2;
  }
  add(weights.head.conv);
  return shapes;
}

at::Tensor DecodeWanVae(const WanVaeDecoderWeights& weights, const at::Tensor& latents, WanVaeDecoderState* state) {
  const at::Tensor mean = PerChannel(kLatentMean, latents);
  // The constants take the latents' type before the inversion, as in the reference.
  const at::Tensor inverse_std = 1 / PerChannel(kLatentStd, latents);
  const at::Tensor z = Clip(latents) / inverse_std + mean;
  std::vector<at::Tensor> pixels;
  for (int64_t frame = 0; frame < latents.size(0); ++frame) {
    const at::Tensor x =
        DecodeLatentFrame(weights, z.narrow(2, frame, 1), !state->started, Histories(&state->histories));
    pixels.push_back(Frames(x));
    state->started = true;
  }
  return at::cat(pixels);
}

at::Tensor EncodeWanVae(const WanVaeEncoderWeights& weights, const at::Tensor& pixels) {
  const at::Tensor clip = Clip(pixels);
  std::vector<at::Tensor> histories, groups;
  groups.push_back(EncodeFrameGroup(weights, clip.narrow(2, 0, 1), Histories(&histories)));
  for (int64_t first = 1; first + kFramesPerLatent <= pixels.size(0); first += kFramesPerLatent) {
    groups.push_back(EncodeFrameGroup(weights, clip.narrow(2, first, kFramesPerLatent), Histories(&histories)));
  }
  const at::Tensor mu = at::cat(groups, 2).chunk(2, 1)[0];
  return Frames((mu - PerChannel(kLatentMean, mu)) * (1 / PerChannel(kLatentStd, mu)));
}

}  // namespace videodiffcr
