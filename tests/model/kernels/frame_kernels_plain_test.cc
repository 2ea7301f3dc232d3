// The plain references of the frame kernels, held to the operators of LibTorch and to libswscale.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "model/kernels/causal_conv.h"
#include "model/kernels/channel_norm.h"
#include "model/kernels/frame_conversion.h"
#include "model/kernels/tap_sum.h"
#include "server/media/frame_converter.h"

namespace videodiffcr::kernels {
namespace {

double WorstError(const at::Tensor& ours, const at::Tensor& expected) {
  return (ours - expected).abs().max().item<double>();
}

// [frames, height, width, channels] -> [1, channels, frames, height, width].
at::Tensor ChannelsFirst(const at::Tensor& clip) { return clip.permute({3, 0, 1, 2}).unsqueeze(0); }

TEST(PlainCausalConv, IsTorchsConvolutionWithBiasResidualAndActivation) {
  const at::Tensor input = at::randn({4, 5, 6, 8}), weight = at::randn({16, 3, 3, 3, 8}), bias = at::randn({16});
  const at::Tensor residual = at::randn({2, 5, 6, 16}), output = at::empty({2, 5, 6, 16});
  CausalConvCall call;
  call.frames = 4;
  call.height = call.out_height = 5;
  call.width = call.out_width = 6;
  call.in_channels = 8;
  call.out_channels = 16;
  call.kernel_frames = call.kernel_rows = call.kernel_columns = 3;
  call.pad_rows = call.pad_columns = 1;
  call.input = input.const_data_ptr();
  call.weight = weight.const_data_ptr();
  call.bias = bias.const_data_ptr<float>();
  call.residual = residual.const_data_ptr();
  call.output = output.mutable_data_ptr();
  call.frame_stride = output.stride(0);
  call.row_stride = output.stride(1);
  call.column_stride = output.stride(2);
  call.relu = true;
  PlainCausalConv(call);
  const at::Tensor expected =
      (at::conv3d(ChannelsFirst(input), weight.permute({0, 4, 1, 2, 3}), bias, 1, {0, 1, 1}) + ChannelsFirst(residual))
          .relu();
  EXPECT_LE(WorstError(ChannelsFirst(output), expected), 1e-4);
}

TEST(ChooseCausalConvTile, TakesTheTileThatLeavesTheFewestProcessorsIdle) {
  // Wan's autoencoder on 132 processors, a chunk at a time.
  EXPECT_EQ(ChooseCausalConvTile(3 * 60 * 104, 384, 384, 132), 128);  // 441 tiles take 4 rounds; 294 of 192 take 3
  EXPECT_EQ(ChooseCausalConvTile(6 * 120 * 208, 384, 384, 132), 192);
  EXPECT_EQ(ChooseCausalConvTile(12 * 240 * 416, 192, 192, 132), 192);
  EXPECT_EQ(ChooseCausalConvTile(12 * 480 * 832, 96, 96, 132), 96);  // steps of 64 would waste a quarter of 96
  EXPECT_EQ(ChooseCausalConvTile(6 * 240 * 416, 64, 64, 132), 64);
}

TEST(PlainChannelNorm, IsTheFormulaOfWansNorm) {
  const at::Tensor x = at::randn({5, 24}) * 3, gain = at::randn({24}), output = at::empty({5, 24});
  ChannelNormCall call;
  call.positions = 5;
  call.channels = 24;
  call.input = x.const_data_ptr();
  call.gain = gain.const_data_ptr<float>();
  call.output = output.mutable_data_ptr();
  PlainChannelNorm(call);
  const at::Tensor normed = x / at::linalg_vector_norm(x, 2, {1}, true) * std::sqrt(24.0) * gain;
  EXPECT_LE(WorstError(output, at::silu(normed)), 1e-5);
  call.silu = false;
  PlainChannelNorm(call);
  EXPECT_LE(WorstError(output, normed), 1e-5);
}

TEST(PlainTapSum, AddsSharesUpToAConvolution) {
  const at::Tensor clip = at::randn({4, 6, 7, 8}), weight = at::randn({3, 8, 3, 3, 3});
  // [8, 27 taps, 4], flat.
  const at::Tensor by_tap = at::cat({weight.flatten(2).permute({1, 2, 0}), at::zeros({8, 27, 1})}, 2).flatten(1);
  const at::Tensor shares = at::mm(clip.flatten(0, 2), by_tap), output = at::empty({2, 3, 6, 7});
  TapSumCall call;
  call.frames = 4;
  call.height = 6;
  call.width = 7;
  call.kernel_frames = 3;
  call.pitch = 27 * kTapPitch;
  call.shares = shares.const_data_ptr();
  call.bias[1] = 0.5f;
  call.scale = 0.01f;
  call.offset = 0.5f;
  call.output = output.mutable_data_ptr<float>();
  PlainTapSum(call);
  at::Tensor expected = at::conv3d(ChannelsFirst(clip), weight, {}, 1, {0, 1, 1})[0].transpose(0, 1).clone();
  expected.select(1, 1).add_(0.5);
  EXPECT_LE(WorstError(output, (0.01 * expected + 0.5).clamp(0, 1)), 1e-5);
}

FrameConversionCall CallFor(const at::Tensor& pixels, uint8_t* bytes) {
  FrameConversionCall call;
  call.frames = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  call.pixels = pixels.const_data_ptr();
  call.frame_stride = pixels.stride(0);
  call.colour_stride = pixels.stride(1);
  call.row_stride = pixels.stride(2);
  call.column_stride = pixels.stride(3);
  call.bytes = bytes;
  return call;
}

TEST(PlainFrameConversion, ClampsAndRoundsToRgb24InAnyLayout) {
  const at::Tensor pixels = (at::rand({2, 3, 4, 6}) * 1.5 - 0.25).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<uint8_t> bytes(static_cast<size_t>(pixels.numel()));
  PlainToRgb24(CallFor(pixels, bytes.data()));
  const at::Tensor expected = (pixels.clamp(0, 1) * 255).round().permute({0, 2, 3, 1}).contiguous();
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], expected.const_data_ptr<float>()[i]) << i;
}

// Even noise: every edge of every colour, and the borders.
TEST(PlainFrameConversion, IsWithinTwoLevelsOfWhatLibswscaleMakesOfTheRgb24) {
  const int height = 18, width = 22;
  const at::Tensor pixels = at::rand({2, 3, height, width});
  std::vector<uint8_t> rgb(static_cast<size_t>(pixels.numel())), yuv(rgb.size() / 2), theirs(yuv.size());
  PlainToRgb24(CallFor(pixels, rgb.data()));
  PlainToYuv420p(CallFor(pixels, yuv.data()));
  FrameConverter converter(width, height);
  for (int frame = 0; frame < 2; ++frame) {
    const uint8_t* planes[4];
    int strides[4];
    DescribeFrame(PixelFormat::kYuv420p, width, height, theirs.data() + frame * width * height * 3 / 2, planes,
                  strides);
    uint8_t* const targets[4] = {const_cast<uint8_t*>(planes[0]), const_cast<uint8_t*>(planes[1]),
                                 const_cast<uint8_t*>(planes[2]), nullptr};
    ASSERT_TRUE(converter
                    .Convert(PixelFormat::kRgb24, rgb.data() + frame * width * height * 3, PixelFormat::kYuv420p,
                             targets, strides)
                    .ok());
  }
  int worst = 0;
  for (size_t i = 0; i < yuv.size(); ++i) worst = std::max(worst, std::abs(int{yuv[i]} - int{theirs[i]}));
  EXPECT_LE(worst, 2);
}

TEST(PlainFrameConversion, MapsBlackAndWhiteToTheEndsOfTheLimitedRange) {
  const at::Tensor pixels = at::cat({at::zeros({1, 3, 2, 2}), at::zeros({1, 3, 2, 2}) + 1});
  std::vector<uint8_t> yuv(12);
  PlainToYuv420p(CallFor(pixels, yuv.data()));
  EXPECT_EQ(yuv, (std::vector<uint8_t>{16, 16, 16, 16, 128, 128, 235, 235, 235, 235, 128, 128}));
}

}  // namespace
}  // namespace videodiffcr::kernels
