#include "model/decoder/wan_decoders.h"

#include <ATen/TensorOperators.h>

#include <utility>
#include <vector>

#ifdef VIDEODIFFCR_CUDA
#include "model/decoder/device_taehv.h"
#include "model/decoder/device_wan_vae.h"
#endif
#include "model/decoder/taehv.h"
#include "model/decoder/wan_vae.h"

namespace videodiffcr {
namespace {

class WanVaeVideoDecoder final : public VideoDecoder {
 public:
  WanVaeVideoDecoder(WanVaeDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
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

class TaehvVideoDecoder final : public VideoDecoder {
 public:
  TaehvVideoDecoder(TaehvDecoderWeights weights, int64_t z_dim, const VideoDecoderOptions& options)
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

// The fast path packs its weights from fp32, so that nothing is rounded twice.
WeightOptions LoadOptions(const VideoDecoderOptions& options, bool fast) {
  if (fast) return {.dtype = at::kFloat, .device = at::kCPU};
  return {.dtype = options.dtype, .device = options.device};
}

bool MayBeFast(const VideoDecoderOptions& options) {
  return options.device.is_cuda() && (options.dtype == at::kBFloat16 || options.dtype == at::kHalf);
}

#ifdef VIDEODIFFCR_CUDA
bool IsFast(const WanVaeDecoderWeights& weights, const VideoDecoderOptions& options) {
  return DeviceWanVaeTakes(weights, options);
}
bool IsFast(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options) {
  return DeviceTaehvTakes(weights, options);
}
#else
template <typename Weights>
bool IsFast(const Weights&, const VideoDecoderOptions&) {
  return false;
}
#endif

// `load` (WeightOptions) -> StatusOr<weights>.
template <typename Load>
auto LoadForPath(const VideoDecoderOptions& options, const Load& load) {
  auto weights = load(LoadOptions(options, MayBeFast(options)));
  if (weights.ok() && MayBeFast(options) && !IsFast(*weights, options)) weights = load(LoadOptions(options, false));
  return weights;
}

}  // namespace

std::unique_ptr<const VideoDecoder> MakeWanVaeVideoDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options) {
#ifdef VIDEODIFFCR_CUDA
  if (IsFast(weights, options)) return MakeDeviceWanVaeDecoder(weights, z_dim, options);
#endif
  return std::make_unique<const WanVaeVideoDecoder>(std::move(weights), z_dim, options);
}

std::unique_ptr<const VideoDecoder> MakeTaehvVideoDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options) {
#ifdef VIDEODIFFCR_CUDA
  if (IsFast(weights, options)) return MakeDeviceTaehvDecoder(weights, z_dim, options);
#endif
  return std::make_unique<const TaehvVideoDecoder>(std::move(weights), z_dim, options);
}

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadWanVaeVideoDecoder(const SafetensorsReader& reader,
                                                                           const DecoderConfig& config,
                                                                           const VideoDecoderOptions& options) {
  absl::StatusOr<WanVaeDecoderWeights> weights =
      LoadForPath(options, [&](const WeightOptions& wanted) { return LoadWanVaeDecoder(reader, config, wanted); });
  if (!weights.ok()) return weights.status();
  return MakeWanVaeVideoDecoder(*std::move(weights), config.z_dim, options);
}

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadTaehvVideoDecoder(const SafetensorsReader& reader,
                                                                          const DecoderConfig& config,
                                                                          const VideoDecoderOptions& options) {
  absl::StatusOr<TaehvDecoderWeights> weights =
      LoadForPath(options, [&](const WeightOptions& wanted) { return LoadTaehvDecoder(reader, config.z_dim, wanted); });
  if (!weights.ok()) return weights.status();
  return MakeTaehvVideoDecoder(*std::move(weights), config.z_dim, options);
}

}  // namespace videodiffcr
