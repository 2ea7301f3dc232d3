// 3x3 convolution of channels-last frames by Winograd's minimal filtering, F(4x4, 3x3): a quarter of the
// multiplications of the direct sum (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", section 4.2).
// For the CPU, in fp32, on the calling thread. The result depends on nothing but the inputs: every tile is computed
// alike, whatever else is asked.
#ifndef VIDEODIFFCR_MODEL_CPU_WINOGRAD_CONV_H_
#define VIDEODIFFCR_MODEL_CPU_WINOGRAD_CONV_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace videodiffcr {

class WinogradConv {
 public:
  // Channels come in groups of this many; outputs are padded to it.
  static constexpr int64_t kChannelGroup = 16;

  // `weight` [out, in, 3, 3] and `bias` [out] (or undefined), fp32 on the CPU; `in` must be a multiple of
  // kChannelGroup.
  WinogradConv(const at::Tensor& weight, const at::Tensor& bias);

  // Frames lie one after another, each [rows, columns, channels].
  struct Call {
    int64_t frames = 0;
    int64_t height = 0;  // rows of the output
    int64_t width = 0;   // columns of the output
    // [frames, height, width, in]; with `memory` half as many channels; with `upsample` half the height and width.
    const float* input = nullptr;
    // What came before the first frame [height, width, in / 2]: then the input of frame t is [x_t, x_{t-1}].
    const float* memory = nullptr;
    bool upsample = false;  // the input is read as if each of its pixels stood four times
    // Each frame becomes `output_frames`: their channels are successive groups of the weight's outputs.
    int64_t output_frames = 1;
    const float* residual = nullptr;  // added before the activation; of the output's shape
    bool relu = false;
    float* output = nullptr;  // [frames * output_frames, height, width, output_channels() / output_frames]
  };

  // `scratch`: scratch_floats() values that this call alone uses.
  void Run(const Call& call, float* scratch) const;

  int64_t scratch_floats() const;
  int64_t output_channels() const { return out_; }  // padded to kChannelGroup

 private:
  int64_t in_;
  int64_t out_;
  std::vector<float> weight_;  // [36, in, out], transformed
  std::vector<float> bias_;    // [out]
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CPU_WINOGRAD_CONV_H_
