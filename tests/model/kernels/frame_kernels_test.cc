// The frame kernels on a GPU against their plain references: every element type, odd sizes, borders.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "model/kernels/causal_conv.h"
#include "model/kernels/channel_norm.h"
#include "model/kernels/frame_conversion.h"
#include "model/kernels/tap_sum.h"

namespace videodiffcr::kernels {
namespace {

constexpr Stream kDefaultStream = nullptr;

at::ScalarType DtypeOf(Element element) {
  return element == Element::kFloat32 ? at::kFloat : element == Element::kFloat16 ? at::kHalf : at::kBFloat16;
}
// Of one rounding to the type.
double RoundingOf(Element element) {
  return element == Element::kFloat32 ? 1e-6 : element == Element::kFloat16 ? 5e-4 : 4e-3;
}

// Rounded to the element type, so that device and reference start from the same numbers.
at::Tensor Rounded(const at::Tensor& values, Element element) { return values.to(DtypeOf(element)).to(at::kFloat); }
at::Tensor OnDevice(const at::Tensor& values, Element element) {
  return values.to(at::Device(at::kCUDA), DtypeOf(element));
}

// |ours - expected| / |expected|; a value that was never written is NaN and fails.
double RelativeError(const at::Tensor& ours, const at::Tensor& expected) {
  const at::Tensor difference = ours.cpu().to(at::kDouble) - expected.to(at::kDouble);
  return (difference.norm() / expected.to(at::kDouble).norm()).item<double>();
}

at::Tensor Poisoned(at::IntArrayRef shape, Element element) {
  return at::full(shape, std::numeric_limits<float>::quiet_NaN(),
                  at::TensorOptions().dtype(DtypeOf(element)).device(at::kCUDA));
}

struct ConvShape {
  int frames, height, width, in, out, kernel_frames, kernel, pad;
};

class CausalConvOnDevice : public ::testing::TestWithParam<std::tuple<ConvShape, Element>> {};

TEST_P(CausalConvOnDevice, EqualsThePlainOne) {
  const auto [shape, element] = GetParam();
  const at::Tensor input = Rounded(at::randn({shape.frames, shape.height, shape.width, shape.in}), element);
  const at::Tensor weight =
      Rounded(at::randn({shape.out, shape.kernel_frames, shape.kernel, shape.kernel, shape.in}) * 0.1, element);
  const at::Tensor bias = at::randn({shape.out});
  CausalConvCall call;
  call.element = element;
  call.frames = shape.frames;
  call.height = shape.height;
  call.width = shape.width;
  call.in_channels = shape.in;
  call.out_channels = shape.out;
  call.kernel_frames = shape.kernel_frames;
  call.kernel_rows = call.kernel_columns = shape.kernel;
  call.pad_rows = call.pad_columns = shape.pad;
  call.out_height = shape.kernel == 2 ? shape.height : shape.height + 2 * shape.pad - shape.kernel + 1;
  call.out_width = shape.kernel == 2 ? shape.width : shape.width + 2 * shape.pad - shape.kernel + 1;
  const std::vector<int64_t> out_shape = {call.out_frames(), call.out_height, call.out_width, shape.out};
  const at::Tensor residual = Rounded(at::randn(out_shape), element);
  const at::Tensor device_input = OnDevice(input, element), device_weight = OnDevice(weight, element);
  const at::Tensor device_bias = bias.cuda(), device_residual = OnDevice(residual, element);
  for (const bool with_residual : {false, true}) {
    const at::Tensor expected = at::empty(out_shape), output = Poisoned(out_shape, element);
    call.frame_stride = expected.stride(0);
    call.row_stride = expected.stride(1);
    call.column_stride = expected.stride(2);
    call.relu = with_residual;
    call.input = input.const_data_ptr();
    call.weight = weight.const_data_ptr();
    call.bias = with_residual ? bias.const_data_ptr<float>() : nullptr;
    call.residual = with_residual ? residual.const_data_ptr() : nullptr;
    call.output = expected.mutable_data_ptr();
    PlainCausalConv(call);
    call.input = device_input.const_data_ptr();
    call.weight = device_weight.const_data_ptr();
    call.bias = with_residual ? device_bias.const_data_ptr<float>() : nullptr;
    call.residual = with_residual ? device_residual.const_data_ptr() : nullptr;
    call.output = output.mutable_data_ptr();
    ASSERT_TRUE(CausalConv(call, kDefaultStream));
    EXPECT_LE(RelativeError(output, expected), RoundingOf(element)) << with_residual;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CausalConvOnDevice,
    ::testing::Combine(::testing::Values(ConvShape{4, 5, 7, 16, 64, 3, 3, 1},    // narrower than a step of channels
                                         ConvShape{3, 9, 11, 96, 96, 3, 3, 1},   //
                                         ConvShape{2, 6, 5, 72, 192, 1, 3, 1},   // channels that no step divides
                                         ConvShape{3, 4, 5, 128, 128, 2, 3, 1},  //
                                         ConvShape{5, 3, 4, 64, 136, 3, 1, 0},   // outputs that no tile divides
                                         ConvShape{1, 7, 6, 40, 8, 1, 1, 0},     //
                                         ConvShape{2, 5, 6, 32, 64, 1, 2, 1},    // 2x2, zeros before
                                         ConvShape{2, 5, 6, 32, 96, 1, 2, 0}),   // 2x2, zeros after
                       ::testing::Values(Element::kBfloat16, Element::kFloat16)));

TEST(CausalConvStrided, WritesEverySecondPixelAndFrameAndNothingElse) {
  const Element element = Element::kFloat16;
  const at::Tensor input = Rounded(at::randn({3, 4, 5, 32}), element);
  const at::Tensor weight = Rounded(at::randn({64, 1, 1, 1, 32}) * 0.1, element);
  const at::Tensor output = Poisoned({6, 8, 10, 64}, element), expected = at::empty({3, 4, 5, 64});
  CausalConvCall call;
  call.element = element;
  call.frames = 3;
  call.height = call.out_height = 4;
  call.width = call.out_width = 5;
  call.in_channels = 32;
  call.out_channels = 64;
  call.input = input.const_data_ptr();
  call.weight = weight.const_data_ptr();
  call.output = expected.mutable_data_ptr();
  call.frame_stride = expected.stride(0);
  call.row_stride = expected.stride(1);
  call.column_stride = expected.stride(2);
  PlainCausalConv(call);
  const at::Tensor device_input = OnDevice(input, element), device_weight = OnDevice(weight, element);
  const at::Tensor place = output.slice(0, 1, 6, 2).slice(1, 1, 8, 2).slice(2, 0, 10, 2);
  call.input = device_input.const_data_ptr();
  call.weight = device_weight.const_data_ptr();
  call.output = place.mutable_data_ptr();
  call.frame_stride = place.stride(0);
  call.row_stride = place.stride(1);
  call.column_stride = place.stride(2);
  ASSERT_TRUE(CausalConv(call, kDefaultStream));
  EXPECT_LE(RelativeError(place, expected), RoundingOf(element));
  EXPECT_EQ(output.isnan().sum().item<int64_t>(), output.numel() - expected.numel());
}

TEST(CausalConvOnDeviceOnly, RefusesChannelsThatStraddleSixteenBytes) {
  CausalConvCall call;
  call.frames = call.height = call.width = call.out_height = call.out_width = 1;
  call.in_channels = 12;
  call.out_channels = 64;
  EXPECT_FALSE(CausalConv(call, kDefaultStream));
}

class ChannelNormOnDevice : public ::testing::TestWithParam<std::tuple<int, Element>> {};

TEST_P(ChannelNormOnDevice, EqualsThePlainOne) {
  const auto [channels, element] = GetParam();
  for (const int positions : {1, 31, 40000}) {  // the last: more than the blocks take in one turn
    at::Tensor x = Rounded(at::randn({positions, channels}) * 5, element);
    x[0].zero_();  // no length: zeros, not NaN
    const at::Tensor gain = at::randn({channels}), expected = at::empty({positions, channels});
    const at::Tensor device_x = OnDevice(x, element), device_gain = gain.cuda();
    const at::Tensor output = Poisoned({positions, channels}, element);
    for (const bool silu : {true, false}) {
      ChannelNormCall call{element,
                           positions,
                           channels,
                           x.const_data_ptr(),
                           gain.const_data_ptr<float>(),
                           silu,
                           expected.mutable_data_ptr()};
      PlainChannelNorm(call);
      call.input = device_x.const_data_ptr();
      call.gain = device_gain.const_data_ptr<float>();
      call.output = output.mutable_data_ptr();
      ASSERT_TRUE(ChannelNorm(call, kDefaultStream));
      const double error = (output.cpu().to(at::kFloat) - expected).abs().max().item<double>();
      EXPECT_LE(error, 2 * RoundingOf(element) * std::max(1.0, expected.abs().max().item<double>())) << positions;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, ChannelNormOnDevice,
                         ::testing::Combine(::testing::Values(8, 16, 40, 96, 192, 384, 1000, 1024),
                                            ::testing::Values(Element::kFloat32, Element::kBfloat16,
                                                              Element::kFloat16)));

TEST(TapSumOnDevice, EqualsThePlainOne) {
  for (const Element element : {Element::kBfloat16, Element::kFloat16}) {
    const at::Tensor shares = Rounded(at::randn({5, 13, 37, 112}) * 0.1, element);
    const at::Tensor expected = at::empty({3, 3, 13, 37}), output = Poisoned({3, 3, 13, 37}, Element::kFloat32);
    const at::Tensor device_shares = OnDevice(shares, element);
    TapSumCall call;
    call.element = element;
    call.frames = 5;
    call.height = 13;
    call.width = 37;
    call.kernel_frames = 3;
    call.pitch = 112;
    call.bias[2] = 0.25f;
    call.scale = 0.5f;
    call.offset = 0.5f;
    call.shares = shares.const_data_ptr();
    call.output = expected.mutable_data_ptr<float>();
    PlainTapSum(call);
    call.shares = device_shares.const_data_ptr();
    call.output = output.mutable_data_ptr<float>();
    TapSum(call, kDefaultStream);
    EXPECT_LE((output.cpu() - expected).abs().max().item<double>(), 1e-5);
  }
}

TEST(FrameConversionOnDevice, IsWithinOneLevelOfThePlainOneInAnyTypeAndLayout) {
  for (const Element element : {Element::kFloat32, Element::kBfloat16, Element::kFloat16}) {
    for (const at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const at::Tensor pixels = Rounded(at::rand({3, 3, 10, 70}) * 1.2 - 0.1, element).contiguous(format);
      const at::Tensor on_device = OnDevice(pixels, element).contiguous(format);
      FrameConversionCall call{element, 3, 10, 70};
      for (const int planar : {0, 1}) {
        const int64_t size = planar ? 3 * 10 * 70 * 3 / 2 : 3 * 10 * 70 * 3;
        const at::Tensor expected = at::empty({size}, at::kByte), bytes = at::zeros({size}, at::kByte).cuda();
        call.pixels = pixels.const_data_ptr();
        call.frame_stride = pixels.stride(0);
        call.colour_stride = pixels.stride(1);
        call.row_stride = pixels.stride(2);
        call.column_stride = pixels.stride(3);
        call.bytes = expected.mutable_data_ptr<uint8_t>();
        planar ? PlainToYuv420p(call) : PlainToRgb24(call);
        call.pixels = on_device.const_data_ptr();
        call.bytes = bytes.mutable_data_ptr<uint8_t>();
        planar ? ToYuv420p(call, kDefaultStream) : ToRgb24(call, kDefaultStream);
        EXPECT_LE((bytes.cpu().to(at::kInt) - expected.to(at::kInt)).abs().max().item<int>(), 1);
      }
    }
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
