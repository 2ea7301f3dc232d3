#include "model/gpu/decoder/conv.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "model/kernels/causal_conv.h"
#include "model/kernels/tap_sum.h"

namespace videodiffcr {
namespace {

DeviceConv ToDevice(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType dtype, at::Device device) {
  DeviceConv conv;
  conv.weight = weight.to(device, dtype).contiguous();
  if (bias.defined()) conv.bias = bias.to(device, at::kFloat).contiguous();
  return conv;
}

// [out, in, (frames,) rows, columns] -> [out, frames, rows, columns, in].
at::Tensor ChannelsLast(const at::Tensor& weight) {
  return (weight.dim() == 4 ? weight.unsqueeze(2) : weight).permute({0, 2, 3, 4, 1});
}

int Narrow(int64_t size) { return static_cast<int>(size); }

}  // namespace

DeviceQueue DeviceQueue::Current(const at::Tensor& tensor, at::ScalarType dtype) {
  return {dtype, c10::cuda::getCurrentCUDAStream(tensor.device().index()).stream()};
}

DeviceConv PackConv(const ConvWeights& conv, at::ScalarType dtype, at::Device device) {
  return ToDevice(ChannelsLast(conv.weight), conv.bias, dtype, device);
}

EnlargingConv PackEnlargingConv(const ConvWeights& conv, at::ScalarType dtype, at::Device device) {
  // Which of the three taps fall on each of the two small pixels: even places see (-1, 0, 0), odd ones (0, 0, 1).
  const at::Tensor taps = at::tensor({1., 0., 0., 0., 1., 1., 1., 1., 0., 0., 0., 1.}, at::kDouble)
                              .view({2, 2, 3})
                              .to(conv.weight.device());
  const at::Tensor sums =
      at::einsum("pak,qbl,oikl->pqoiab", {taps, taps, conv.weight.to(at::kDouble)});  // [2, 2, out, in, 2, 2]
  EnlargingConv packed;
  for (int64_t place = 0; place < 4; ++place) {
    packed.places[place] = ToDevice(ChannelsLast(sums[place / 2][place % 2]), conv.bias, dtype, device);
  }
  return packed;
}

void RunConv(const DeviceQueue& queue, const DeviceConv& conv, const DeviceClip& input, const DeviceClip& output,
             const DeviceConvOptions& options, int64_t frame_step) {
  kernels::CausalConvCall call;
  call.element = queue.element();
  call.frames = Narrow(input.frames);
  call.height = Narrow(input.height);
  call.width = Narrow(input.width);
  call.in_channels = Narrow(input.channels);
  call.kernel_frames = Narrow(conv.weight.size(1));
  call.kernel_rows = Narrow(conv.weight.size(2));
  call.kernel_columns = Narrow(conv.weight.size(3));
  call.pad_rows = Narrow(options.pad_rows);
  call.pad_columns = Narrow(options.pad_columns);
  call.out_height = Narrow(output.height);
  call.out_width = Narrow(output.width);
  call.out_channels = Narrow(conv.out_channels());
  call.input = input.data;
  call.weight = conv.weight.const_data_ptr();
  call.bias = conv.bias.defined() ? conv.bias.const_data_ptr<float>() : nullptr;
  call.residual = options.residual;
  call.output = output.data;
  call.column_stride = output.channels;
  call.row_stride = output.width * output.channels;
  call.frame_stride = frame_step * output.frame_values();
  call.relu = options.relu;
  TORCH_CHECK(kernels::CausalConv(call, queue.stream), "the convolution kernel refused ", input.channels, " to ",
              output.channels, " channels over [", input.frames, ", ", input.height, ", ", input.width, "]");
}

void RunEnlargingConv(const DeviceQueue& queue, const EnlargingConv& conv, const DeviceClip& input,
                      const DeviceClip& output, bool relu, int64_t frame_step) {
  kernels::CausalConvCall call;
  call.element = queue.element();
  call.frames = Narrow(input.frames);
  call.height = call.out_height = Narrow(input.height);
  call.width = call.out_width = Narrow(input.width);
  call.in_channels = Narrow(input.channels);
  call.kernel_rows = call.kernel_columns = 2;
  call.out_channels = Narrow(conv.places[0].out_channels());
  call.input = input.data;
  // Every second row and column of the output.
  call.column_stride = 2 * output.channels;
  call.row_stride = 2 * output.width * output.channels;
  call.frame_stride = frame_step * output.frame_values();
  call.relu = relu;
  for (int row = 0; row < 2; ++row) {
    for (int column = 0; column < 2; ++column) {
      const DeviceConv& place = conv.places[2 * row + column];
      call.weight = place.weight.const_data_ptr();
      call.bias = place.bias.defined() ? place.bias.const_data_ptr<float>() : nullptr;
      call.pad_rows = 1 - row;
      call.pad_columns = 1 - column;
      call.output =
          static_cast<char*>(output.data) + (row * output.width + column) * output.channels * kDeviceValueBytes;
      TORCH_CHECK(kernels::CausalConv(call, queue.stream), "the convolution kernel refused ", input.channels, " to ",
                  output.channels, " channels over enlarged frames of ", output.height, "x", output.width);
    }
  }
}

DeviceHead PackHead(const ConvWeights& conv, at::ScalarType dtype, at::Device device) {
  const at::Tensor taps = ChannelsLast(conv.weight);  // [3, frames, 3, 3, in]
  DeviceHead head;
  head.kernel_frames = taps.size(1);
  // [in, taps, colours], a fourth colour of zeros, and zeros up to a multiple of 8 values.
  const at::Tensor by_tap = taps.flatten(1, 3).permute({2, 1, 0});
  const int64_t values = by_tap.size(1) * kernels::kTapPitch;
  const at::Tensor padded = at::constant_pad_nd(by_tap, {0, kernels::kTapPitch - kernels::kTapColours}).flatten(1);
  head.weight = at::constant_pad_nd(padded, {0, (8 - values % 8) % 8}).to(device, dtype).contiguous();
  for (int64_t colour = 0; colour < kernels::kTapColours; ++colour) {
    head.bias[colour] = conv.bias.defined() ? conv.bias[colour].item<float>() : 0.0f;
  }
  return head;
}

void RunHead(const DeviceQueue& queue, const DeviceHead& head, const DeviceClip& input, void* shares, float scale,
             float offset, float* pixels) {
  const at::Device device = head.weight.device();
  at::Tensor product = DeviceView(queue, shares, {input.positions(), head.pitch()}, device);
  at::mm_out(product, DeviceView(queue, input.data, {input.positions(), input.channels}, device), head.weight);
  kernels::TapSumCall call;
  call.element = queue.element();
  call.frames = Narrow(input.frames);
  call.height = Narrow(input.height);
  call.width = Narrow(input.width);
  call.kernel_frames = Narrow(head.kernel_frames);
  call.pitch = Narrow(head.pitch());
  call.shares = shares;
  for (int colour = 0; colour < kernels::kTapColours; ++colour) call.bias[colour] = head.bias[colour];
  call.scale = scale;
  call.offset = offset;
  call.output = pixels;
  kernels::TapSum(call, queue.stream);
}

at::Tensor EmptyPixels(int64_t pixel_frames, const at::Tensor& latents) {
  constexpr int64_t kColours = 3, kSpatialFactor = 8;
  return at::empty({pixel_frames, kColours, kSpatialFactor * latents.size(2), kSpatialFactor * latents.size(3)},
                   latents.options().dtype(at::kFloat));
}

at::Tensor DeviceView(const DeviceQueue& queue, void* data, at::IntArrayRef shape, at::Device device) {
  return at::from_blob(data, shape, at::TensorOptions().dtype(queue.dtype).device(device));
}

void CopyValues(const DeviceQueue& queue, const void* from, void* to, int64_t values) {
  C10_CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<size_t>(values * kDeviceValueBytes), cudaMemcpyDeviceToDevice,
                                 queue.stream));
}

}  // namespace videodiffcr
