#include "model/load/decoders.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/cpu/pixel_shuffle_decoder.h"
#ifdef VIDEODIFFCR_CUDA
#include "model/gpu/decoder/taehv_decoder.h"
#include "model/gpu/decoder/wan_vae_decoder.h"
#endif
#include "model/plain/decoder/plain_video_decoders.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {
namespace {

constexpr int64_t kTemporalFactor = 4;
constexpr int64_t kSpatialFactor = 8;

// The fast path packs its weights from fp32, so that nothing is rounded twice.
WeightOptions LoadOptions(const VideoDecoderOptions& options, bool fast) {
  if (fast) return {.dtype = at::kFloat, .device = at::kCPU};
  return {.dtype = options.dtype, .device = options.device};
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

// `load` (WeightOptions) -> StatusOr<weights>, and `make` a decoder of them.
template <typename Load, typename Make>
absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadForPath(const DecoderConfig& config,
                                                                const VideoDecoderOptions& options, const Load& load,
                                                                const Make& make) {
  auto weights = load(LoadOptions(options, options.in_16_bits_on_gpu()));
  if (weights.ok() && options.in_16_bits_on_gpu() && !IsFast(*weights, options)) {
    weights = load(LoadOptions(options, false));
  }
  if (!weights.ok()) return weights.status();
  return make(*std::move(weights), config.z_dim, options);
}

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadPixelShuffle(const SafetensorsReader& reader,
                                                                     const DecoderConfig& config,
                                                                     const VideoDecoderOptions& options) {
  absl::StatusOr<PixelShuffleDecoderWeights> weights =
      LoadPixelShuffleDecoder(reader, {.dtype = options.dtype, .device = options.device});
  if (!weights.ok()) return weights.status();
  if (const int64_t z_dim = weights->conv_in.weight.size(1); z_dim != config.z_dim) {
    return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": tensor decoder.conv_in.weight takes ", z_dim,
                                                   " latent channels; decoder.z_dim is ", config.z_dim));
  }
  if (WinogradDecoderTakes(*weights, options)) return MakeWinogradDecoder(*weights, config.z_dim, options);
  return MakePlainPixelShuffleDecoder(*std::move(weights), config.z_dim, options);
}

}  // namespace

std::unique_ptr<const VideoDecoder> MakeWanVaeVideoDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options) {
#ifdef VIDEODIFFCR_CUDA
  if (IsFast(weights, options)) return MakeDeviceWanVaeDecoder(weights, z_dim, options);
#endif
  return MakePlainWanVaeDecoder(std::move(weights), z_dim, options);
}

std::unique_ptr<const VideoDecoder> MakeTaehvVideoDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options) {
#ifdef VIDEODIFFCR_CUDA
  if (IsFast(weights, options)) return MakeDeviceTaehvDecoder(weights, z_dim, options);
#endif
  return MakePlainTaehvDecoder(std::move(weights), z_dim, options);
}

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadVideoDecoder(const std::string& folder,
                                                                     const DecoderConfig& config,
                                                                     const VideoDecoderOptions& options) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  if (config.temporal_factor != kTemporalFactor || config.spatial_factor != kSpatialFactor) {
    return absl::InvalidArgumentError(
        absl::StrCat("decoder.temporal_factor and spatial_factor: ", config.temporal_factor, " and ",
                     config.spatial_factor, "; every decoder here has ", kTemporalFactor, " and ", kSpatialFactor));
  }
  if (options.latent_height < 1 || options.latent_width < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("latent size: ", options.latent_height, "x", options.latent_width, "; must be at least 1x1"));
  }
  absl::StatusOr<SafetensorsReader> reader = SafetensorsReader::Open(absl::StrCat(folder, "/", config.file));
  if (!reader.ok()) return reader.status();
  switch (config.kind) {
    case DecoderKind::kPixelShuffleTaehv:
      return LoadPixelShuffle(*reader, config, options);
    case DecoderKind::kTaehv:
      return LoadForPath(
          config, options, [&](const WeightOptions& wanted) { return LoadTaehvDecoder(*reader, config.z_dim, wanted); },
          MakeTaehvVideoDecoder);
    case DecoderKind::kWanVae:
      return LoadForPath(
          config, options, [&](const WeightOptions& wanted) { return LoadWanVaeDecoder(*reader, config, wanted); },
          MakeWanVaeVideoDecoder);
  }
  return absl::InvalidArgumentError("decoder.kind: unknown");
}

}  // namespace videodiffcr
