// Convolutions as the decoders' fast path on CUDA runs them: channels last, 16-bit weights in the order that
// kernels::CausalConv() reads, and everything that can be folded into weights folded (wan_vae.md sections 3, 4 and 9).
//
// Errors of a launch are thrown as Torch throws its own.
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_CONV_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_CONV_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "model/kernels/element.h"
#include "model/plain/decoder/memory_block.h"

namespace videodiffcr {

// Frames in device memory, [frames, height, width, channels] without gaps. Owns nothing.
struct DeviceClip {
  void* data = nullptr;
  int64_t frames = 0, height = 0, width = 0, channels = 0;

  int64_t positions() const { return frames * height * width; }
  int64_t frame_values() const { return height * width * channels; }
};

struct DeviceConv {
  at::Tensor weight;  // [out, frames, rows, columns, in]
  at::Tensor bias;    // [out], fp32; undefined: none
  int64_t out_channels() const { return weight.size(0); }
};

struct DeviceConvOptions {
  int64_t pad_rows = 0, pad_columns = 0;
  const void* residual = nullptr;  // laid out as the output
  bool relu = false;
};

// Of every value that decoders hold on the device, kBFloat16 or kHalf.
inline constexpr int64_t kDeviceValueBytes = 2;

// What runs where: the types and the stream of one call.
struct DeviceQueue {
  at::ScalarType dtype = at::kBFloat16;  // kBFloat16 or kHalf
  kernels::Stream stream = nullptr;

  kernels::Element element() const {
    return dtype == at::kHalf ? kernels::Element::kFloat16 : kernels::Element::kBfloat16;
  }
  // The current stream of the device that `tensor` is on.
  static DeviceQueue Current(const at::Tensor& tensor, at::ScalarType dtype);
};

// `weight` [out, in, rows, columns] or [out, in, frames, rows, columns], of any type, on any device.
DeviceConv PackConv(const ConvWeights& conv, at::ScalarType dtype, at::Device device);

// A 3x3 convolution of frames enlarged by nearest x2, without the enlarged frames: every output pixel sees only 2x2 of
// the small ones, with weights that are sums of the nine; the four places in a 2x2 square have four such kernels. Exact
// but for the rounding of the sums; 4/9 of the products.
struct EnlargingConv {
  std::array<DeviceConv, 4> places;  // row * 2 + column
};
// `weight` [out, in, 3, 3].
EnlargingConv PackEnlargingConv(const ConvWeights& conv, at::ScalarType dtype, at::Device device);

// Rows and columns stay as they are when the padding is half the kernel; otherwise `output` says how many there are.
// output.frames: input.frames less what the kernel looks back on. `frame_step`: every so many frames of the output are
// written; `output.data` is the first of them.
void RunConv(const DeviceQueue& queue, const DeviceConv& conv, const DeviceClip& input, const DeviceClip& output,
             const DeviceConvOptions& options = {}, int64_t frame_step = 1);

// `output` has twice the rows and columns.
void RunEnlargingConv(const DeviceQueue& queue, const EnlargingConv& conv, const DeviceClip& input,
                      const DeviceClip& output, bool relu = false, int64_t frame_step = 1);

// A convolution with three outputs as a product and a sum over taps (kernels/tap_sum.h).
struct DeviceHead {
  at::Tensor weight;  // [in, pitch]: by tap, then colour
  std::array<float, 3> bias = {};
  int64_t kernel_frames = 1;
  int64_t pitch() const { return weight.size(1); }
};
// `weight` [3, in, 3, 3] or [3, in, frames, 3, 3].
DeviceHead PackHead(const ConvWeights& conv, at::ScalarType dtype, at::Device device);

// `shares`: memory for input.positions() * pitch values. `pixels` fp32 [frames, 3, height, width]:
// clamp(scale * y + offset, 0, 1).
void RunHead(const DeviceQueue& queue, const DeviceHead& head, const DeviceClip& input, void* shares, float scale,
             float offset, float* pixels);

// Memory for the frames that `latents` [frames, z_dim, h, w] become: fp32 [pixel_frames, 3, 8h, 8w] on their device.
at::Tensor EmptyPixels(int64_t pixel_frames, const at::Tensor& latents);

// Device memory of values that somebody else owns, as a tensor of this shape.
at::Tensor DeviceView(const DeviceQueue& queue, void* data, at::IntArrayRef shape, at::Device device);

// Copies `values` values on the device.
void CopyValues(const DeviceQueue& queue, const void* from, void* to, int64_t values);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_CONV_H_
