// The public models' decoders as the serving path uses them: Wan's own, and the fast stand-in for it.
#ifndef VIDEODIFFCR_MODEL_DECODER_WAN_DECODERS_H_
#define VIDEODIFFCR_MODEL_DECODER_WAN_DECODERS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/decoder/taehv.h"
#include "model/decoder/video_decoder.h"
#include "model/decoder/wan_vae_weights.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadWanVaeVideoDecoder(const SafetensorsReader& reader,
                                                                           const DecoderConfig& config,
                                                                           const VideoDecoderOptions& options);

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadTaehvVideoDecoder(const SafetensorsReader& reader,
                                                                          const DecoderConfig& config,
                                                                          const VideoDecoderOptions& options);

// The same from weights that are at hand. On a CUDA device in 16 bits they may be of any type and anywhere; otherwise
// they are of the options' type and on its device.
std::unique_ptr<const VideoDecoder> MakeWanVaeVideoDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options);
std::unique_ptr<const VideoDecoder> MakeTaehvVideoDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_DECODER_WAN_DECODERS_H_
