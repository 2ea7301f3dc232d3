#include "model/plain/decoder/plain_video_decoders.h"

#include <ATen/TensorOperators.h>

#include <utility>

#include "model/plain/decoder/wan_vae.h"

namespace videodiffcr {
namespace {

class PlainPixelShuffleDecoder final : public VideoDecoder {
 public:
  PlainPixelShuffleDecoder(PixelShuffleDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
      : VideoDecoder(options, z_dim, PixelShuffleStateShapes(weights, options)), weights_(std::move(weights)) {}

 private:
  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    for (at::Tensor& memory : carried) memory = memory.permute({2, 0, 1}).unsqueeze(0);
    const at::Tensor pixels = DecodePixelShuffleTaehv(weights_, latents.unsqueeze(0), &carried)[0];
    for (at::Tensor& memory : carried) memory = memory[0].permute({1, 2, 0});
    return scene_start ? pixels.slice(0, kPixelShuffleFramesPerLatent - 1) : pixels;
  }

  PixelShuffleDecoderWeights weights_;
};

class PlainWanVaeDecoder final : public VideoDecoder {
 public:
  PlainWanVaeDecoder(WanVaeDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
      : VideoDecoder(options, z_dim, WanVaeHistoryShapes(weights, options.latent_height, options.latent_width)),
        weights_(std::move(weights)) {}

 private:
  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    WanVaeDecoderState state{std::move(carried), !scene_start};
    const at::Tensor pixels = DecodeWanVae(weights_, latents, &state);
    carried = std::move(state.histories);
    return (pixels + 1) / 2;
  }

  WanVaeDecoderWeights weights_;
};

class PlainTaehvDecoder final : public VideoDecoder {
 public:
  PlainTaehvDecoder(TaehvDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
      : VideoDecoder(options, z_dim, StateShapes(weights, options)), weights_(std::move(weights)) {}

 private:
  // One frame of input per memory block, at the size of its stage.
  static std::vector<std::vector<int64_t>> StateShapes(const TaehvDecoderWeights& weights,
                                                       const VideoDecoderOptions& options) {
    std::vector<std::vector<int64_t>> shapes;
    int64_t scale = 1;
    for (const TaehvUpStage& stage : weights.stages) {
      for (const MemoryBlockWeights& block : stage.blocks) {
        shapes.push_back({1, block.c.weight.size(0), options.latent_height * scale, options.latent_width * scale});
      }
      scale *= 2;
    }
    return shapes;
  }

  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    const at::Tensor pixels = DecodeTaehv(weights_, latents.unsqueeze(0), &carried)[0];
    return scene_start ? pixels.slice(0, kTaehvFramesPerLatent - 1) : pixels;
  }

  TaehvDecoderWeights weights_;
};

}  // namespace

std::vector<std::vector<int64_t>> PixelShuffleStateShapes(const PixelShuffleDecoderWeights& weights,
                                                          const VideoDecoderOptions& options) {
  std::vector<std::vector<int64_t>> shapes;
  int64_t scale = 1;
  for (const std::vector<MemoryBlockWeights>& stage : weights.stages) {
    for (const MemoryBlockWeights& block : stage) {
      shapes.push_back({options.latent_height * scale, options.latent_width * scale, block.c.weight.size(0)});
    }
    scale *= 2;
  }
  return shapes;
}

std::unique_ptr<const VideoDecoder> MakePlainPixelShuffleDecoder(PixelShuffleDecoderWeights weights, int64_t z_dim,
                                                                 const VideoDecoderOptions& options) {
  return std::make_unique<const PlainPixelShuffleDecoder>(std::move(weights), z_dim, options);
}

std::unique_ptr<const VideoDecoder> MakePlainTaehvDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options) {
  return std::make_unique<const PlainTaehvDecoder>(std::move(weights), z_dim, options);
}

std::unique_ptr<const VideoDecoder> MakePlainWanVaeDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options) {
  return std::make_unique<const PlainWanVaeDecoder>(std::move(weights), z_dim, options);
}

}  // namespace videodiffcr
