#include "model/decoder/pixel_shuffle_decoder.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/decoder/pixel_shuffle_taehv.h"

namespace videodiffcr {
namespace {

constexpr int64_t kFirstFramesDropped = 3;

class PixelShuffleDecoder final : public VideoDecoder {
 public:
  PixelShuffleDecoder(PixelShuffleDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
      : VideoDecoder(options, z_dim, StateShapes(weights, options)), weights_(std::move(weights)) {}

 private:
  // One frame of input per memory block, at the size of its stage.
  static std::vector<std::vector<int64_t>> StateShapes(const PixelShuffleDecoderWeights& weights,
                                                       const VideoDecoderOptions& options) {
    std::vector<std::vector<int64_t>> shapes;
    int64_t scale = 1;
    for (const std::vector<MemoryBlockWeights>& stage : weights.stages) {
      for (const MemoryBlockWeights& block : stage) {
        shapes.push_back({1, block.c.weight.size(0), options.latent_height * scale, options.latent_width * scale});
      }
      scale *= 2;
    }
    return shapes;
  }

  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    const at::Tensor pixels = DecodePixelShuffleTaehv(weights_, latents.unsqueeze(0), &carried)[0];
    return scene_start ? pixels.slice(0, kFirstFramesDropped) : pixels;
  }

  PixelShuffleDecoderWeights weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadPixelShuffleVideoDecoder(const SafetensorsReader& reader,
                                                                                 const DecoderConfig& config,
                                                                                 const VideoDecoderOptions& options) {
  absl::StatusOr<PixelShuffleDecoderWeights> weights =
      LoadPixelShuffleDecoder(reader, {.dtype = options.dtype, .device = options.device});
  if (!weights.ok()) return weights.status();
  if (const int64_t z_dim = weights->conv_in.weight.size(1); z_dim != config.z_dim) {
    return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": tensor decoder.conv_in.weight takes ", z_dim,
                                                   " latent channels; decoder.z_dim is ", config.z_dim));
  }
  return std::make_unique<const PixelShuffleDecoder>(*std::move(weights), config.z_dim, options);
}

}  // namespace videodiffcr
