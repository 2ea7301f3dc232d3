#include "model/cpu/winograd_conv.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

// Rounding of the transforms, for outputs of about one; the direct sum has a tenth of it.
constexpr double kTolerance = 2e-4;

at::Tensor ChannelsLast(const at::Tensor& x) { return x.permute({0, 2, 3, 1}).contiguous(); }
at::Tensor ChannelsFirst(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

at::Tensor RandomWeight(int64_t out, int64_t in) { return at::randn({out, in, 3, 3}) / std::sqrt(9.0 * in); }

// [frames, in, rows, columns] -> [frames * output_frames, channels, rows, columns]. `call`: what is special.
at::Tensor Convolve(const WinogradConv& conv, const at::Tensor& x, WinogradConv::Call call = {}) {
  const at::Tensor input = ChannelsLast(x);
  const int64_t scale = call.upsample ? 2 : 1;
  call.frames = x.size(0);
  call.height = x.size(2) * scale;
  call.width = x.size(3) * scale;
  call.input = input.const_data_ptr<float>();
  const at::Tensor output = at::empty(
      {call.frames * call.output_frames, call.height, call.width, conv.output_channels() / call.output_frames});
  call.output = output.mutable_data_ptr<float>();
  const at::Tensor scratch = at::empty({conv.scratch_floats()});
  conv.Run(call, scratch.mutable_data_ptr<float>());
  return ChannelsFirst(output);
}

TEST(WinogradConv, EqualsTheDirectSumAtEverySize) {
  for (const int64_t in : {16, 48}) {
    for (const int64_t out : {12, 16, 48, 64}) {
      const at::Tensor weight = RandomWeight(out, in), bias = at::randn({out});
      const WinogradConv conv(weight, bias);
      for (const auto& [rows, columns] : {std::pair(1, 1), {3, 5}, {4, 4}, {7, 9}, {12, 20}}) {
        const at::Tensor x = at::randn({2, in, rows, columns});
        EXPECT_LE(WorstError(Convolve(conv, x).narrow(1, 0, out), at::conv2d(x, weight, bias, 1, 1)), kTolerance)
            << in << " to " << out << " channels, " << rows << "x" << columns;
      }
    }
  }
}

TEST(WinogradConv, ReadsTheFrameBeforeAsMoreChannels) {
  const at::Tensor weight = RandomWeight(32, 64), x = at::randn({3, 32, 6, 9}), memory = at::randn({1, 32, 6, 9});
  const at::Tensor before = at::cat({memory, x.narrow(0, 0, 2)});
  const at::Tensor expected = at::conv2d(at::cat({x, before}, 1), weight, {}, 1, 1);
  const at::Tensor last = ChannelsLast(memory);
  EXPECT_LE(WorstError(Convolve(WinogradConv(weight, {}), x, {.memory = last.const_data_ptr<float>()}), expected),
            kTolerance);
}

TEST(WinogradConv, ReadsEachPixelFourTimesWhenItEnlarges) {
  const at::Tensor weight = RandomWeight(16, 32), x = at::randn({2, 32, 5, 7});
  const at::Tensor expected = at::conv2d(at::upsample_nearest2d(x, {10, 14}), weight, {}, 1, 1);
  EXPECT_LE(WorstError(Convolve(WinogradConv(weight, {}), x, {.upsample = true}), expected), kTolerance);
}

TEST(WinogradConv, WritesGroupsOfChannelsAsFrames) {
  const at::Tensor weight = RandomWeight(64, 16), x = at::randn({2, 16, 6, 6});
  const at::Tensor expected = at::conv2d(x, weight, {}, 1, 1).reshape({4, 32, 6, 6});
  EXPECT_LE(WorstError(Convolve(WinogradConv(weight, {}), x, {.output_frames = 2}), expected), kTolerance);
}

TEST(WinogradConv, AddsTheResidualBeforeTheActivation) {
  const at::Tensor weight = RandomWeight(32, 32), bias = at::randn({32}), x = at::randn({2, 32, 6, 6});
  const at::Tensor expected = at::relu(at::conv2d(x, weight, bias, 1, 1) + x);
  const at::Tensor residual = ChannelsLast(x);
  const at::Tensor ours =
      Convolve(WinogradConv(weight, bias), x, {.residual = residual.const_data_ptr<float>(), .relu = true});
  EXPECT_LE(WorstError(ours, expected), kTolerance);
}

TEST(WinogradConv, GivesAFrameTheSameBitsInAnyCompany) {
  const WinogradConv conv(RandomWeight(48, 32), at::randn({48}));
  const at::Tensor x = at::randn({5, 32, 13, 10});
  EXPECT_TRUE(at::equal(Convolve(conv, x).narrow(0, 3, 1), Convolve(conv, x.narrow(0, 3, 1))));
}

}  // namespace
}  // namespace videodiffcr
