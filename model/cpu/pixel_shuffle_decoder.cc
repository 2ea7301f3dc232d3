#include "model/cpu/pixel_shuffle_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "model/cpu/winograd_conv.h"
#include "model/plain/decoder/plain_video_decoders.h"

namespace videodiffcr {
namespace {

// DecodePixelShuffleTaehv() on the CPU with frames channels last: Winograd convolutions that add bias, residual and
// activation as they write, read enlarged frames without making them, and take the 1x1 convolutions before them into
// their own weights.
class WinogradPixelShuffleDecoder final : public VideoDecoder {
 public:
  WinogradPixelShuffleDecoder(const PixelShuffleDecoderWeights& weights, int64_t z_dim,
                              const VideoDecoderOptions& options)
      : VideoDecoder(options, z_dim, PixelShuffleStateShapes(weights, options)),
        conv_in_(weights.conv_in.weight, weights.conv_in.bias),
        up1_(weights.up1.weight, {}),
        up2_(AfterGrowing(weights.grow1, weights.up2.weight), {}),
        conv_pre_(AfterGrowing(weights.grow2, weights.conv_pre.weight), {}),
        conv_out_(weights.conv_out.weight, weights.conv_out.bias) {
    for (size_t i = 0; i < stages_.size(); ++i) {
      for (const MemoryBlockWeights& block : weights.stages[i]) {
        stages_[i].push_back({WinogradConv(block.a.weight, block.a.bias), WinogradConv(block.b.weight, block.b.bias),
                              WinogradConv(block.c.weight, block.c.bias)});
        for (const WinogradConv* conv : {&stages_[i].back().a, &stages_[i].back().b, &stages_[i].back().c})
          Reserve(*conv);
      }
    }
    for (const WinogradConv* conv : {&conv_in_, &up1_, &up2_, &conv_pre_, &conv_out_}) Reserve(*conv);
  }

 private:
  struct Block {
    WinogradConv a, b, c;
  };

  // The 3x3 convolution `conv` [out, C, 3, 3] of each frame that the 1x1 convolution `grow` [2C, in, 1, 1] makes, as
  // one convolution [2 out, in, 3, 3]: there is nothing but nearest x2 between them, and neither has a bias.
  static at::Tensor AfterGrowing(const at::Tensor& grow, const at::Tensor& conv) {
    std::vector<at::Tensor> frames;
    for (const at::Tensor& frame : grow.flatten(1).to(at::kDouble).chunk(2)) {
      frames.push_back(at::einsum("ocyx,ci->oiyx", {conv.to(at::kDouble), frame}));
    }
    return at::cat(frames).to(at::kFloat);
  }

  void Reserve(const WinogradConv& conv) { scratch_floats_ = std::max(scratch_floats_, conv.scratch_floats()); }

  // Returns [frames * output_frames, rows, columns, channels] of what `call` says; its sizes and output are filled in
  // here. `x` [frames, rows, columns, channels].
  static at::Tensor Apply(const WinogradConv& conv, const at::Tensor& x, WinogradConv::Call call, float* scratch) {
    const int64_t scale = call.upsample ? 2 : 1;
    call.frames = x.size(0);
    call.height = x.size(1) * scale;
    call.width = x.size(2) * scale;
    call.input = x.const_data_ptr<float>();
    const at::Tensor y = at::empty(
        {call.frames * call.output_frames, call.height, call.width, conv.output_channels() / call.output_frames},
        x.options());
    call.output = y.mutable_data_ptr<float>();
    conv.Run(call, scratch);
    return y;
  }

  // `memory` [rows, columns, channels]: in, the frame before x; out, the last one of x.
  static at::Tensor RunBlock(const Block& block, const at::Tensor& x, at::Tensor& memory, float* scratch) {
    const at::Tensor a = Apply(block.a, x, {.memory = memory.const_data_ptr<float>(), .relu = true}, scratch);
    const at::Tensor b = Apply(block.b, a, {.relu = true}, scratch);
    memory = x[x.size(0) - 1];
    return Apply(block.c, b, {.residual = x.const_data_ptr<float>(), .relu = true}, scratch);
  }

  static at::Tensor RunStage(const std::vector<Block>& stage, at::Tensor x, at::Tensor* memories, float* scratch) {
    for (const Block& block : stage) x = RunBlock(block, x, *memories++, scratch);
    return x;
  }

  // y [frames, rows, columns, at least 12] -> pixels [frames, 2 rows, 2 columns, 3]; channel 4c + 2i + j is colour c of
  // the pixel in row i and column j of a 2x2 square.
  static void ShufflePixels(const at::Tensor& y, float* pixels) {
    const int64_t rows = y.size(0) * y.size(1), columns = y.size(2), channels = y.size(3);
    const float* from = y.const_data_ptr<float>();
    for (int64_t row = 0; row < rows; ++row) {
      float* upper = pixels + row * columns * 12;
      float* lower = upper + columns * 6;
      for (int64_t column = 0; column < columns; ++column, from += channels, upper += 6, lower += 6) {
        for (int64_t colour = 0; colour < 3; ++colour) {
          upper[colour] = from[4 * colour];
          upper[colour + 3] = from[4 * colour + 1];
          lower[colour] = from[4 * colour + 2];
          lower[colour + 3] = from[4 * colour + 3];
        }
      }
    }
  }

  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    const at::Tensor scratch_tensor = at::empty({scratch_floats_}, latents.options());
    float* scratch = scratch_tensor.mutable_data_ptr<float>();
    at::Tensor* memories = carried.data();
    at::Tensor x = (3 * at::tanh(latents / 3)).permute({0, 2, 3, 1}).contiguous();
    x = Apply(conv_in_, x, {.relu = true}, scratch);
    x = RunStage(stages_[0], x, memories, scratch);
    x = Apply(up1_, x, {.upsample = true}, scratch);
    x = RunStage(stages_[1], x, memories + stages_[0].size(), scratch);
    memories += stages_[0].size() + stages_[1].size();

    // One latent frame at a time: what the large stage works on then stays in the cache.
    const int64_t frames = latents.size(0), rows = 8 * latents.size(2), columns = 8 * latents.size(3);
    const at::Tensor pixels = at::empty({kPixelShuffleFramesPerLatent * frames, rows, columns, 3}, latents.options());
    for (int64_t frame = 0; frame < frames; ++frame) {
      at::Tensor y = Apply(up2_, x.narrow(0, frame, 1), {.upsample = true, .output_frames = 2}, scratch);
      y = RunStage(stages_[2], y, memories, scratch);
      y = Apply(conv_pre_, y, {.output_frames = 2, .relu = true}, scratch);
      y = Apply(conv_out_, y, {}, scratch);
      ShufflePixels(y, pixels.mutable_data_ptr<float>() + frame * kPixelShuffleFramesPerLatent * rows * columns * 3);
    }
    return pixels.slice(0, scene_start ? kPixelShuffleFramesPerLatent - 1 : 0).permute({0, 3, 1, 2});
  }

  WinogradConv conv_in_;
  std::array<std::vector<Block>, 3> stages_;
  WinogradConv up1_, up2_, conv_pre_, conv_out_;
  int64_t scratch_floats_ = 0;
};

}  // namespace

bool WinogradDecoderTakes(const PixelShuffleDecoderWeights& weights, const VideoDecoderOptions& options) {
  bool grouped = weights.conv_in.weight.size(1) % WinogradConv::kChannelGroup == 0;
  for (const ConvWeights* conv : {&weights.conv_in, &weights.up1, &weights.up2}) {
    grouped = grouped && conv->weight.size(0) % WinogradConv::kChannelGroup == 0;
  }
  return grouped && options.device.is_cpu() && options.dtype == at::kFloat;
}

std::unique_ptr<const VideoDecoder> MakeWinogradDecoder(const PixelShuffleDecoderWeights& weights, int64_t z_dim,
                                                        const VideoDecoderOptions& options) {
  return std::make_unique<const WinogradPixelShuffleDecoder>(weights, z_dim, options);
}

}  // namespace videodiffcr
