// Which decoder serves: the fastest one there is for a kind of network, a device and a type.
#ifndef VIDEODIFFCR_MODEL_LOAD_DECODERS_H_
#define VIDEODIFFCR_MODEL_LOAD_DECODERS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/plain/decoder/wan_vae_weights.h"

namespace videodiffcr {

// Reads FOLDER/config.file. Errors name file and tensor.
absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadVideoDecoder(const std::string& folder,
                                                                     const DecoderConfig& config,
                                                                     const VideoDecoderOptions& options);

// The same from weights that are at hand. On a CUDA device in 16 bits they may be of any type and anywhere; otherwise
// they are of the options' type and on its device.
std::unique_ptr<const VideoDecoder> MakeWanVaeVideoDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options);
std::unique_ptr<const VideoDecoder> MakeTaehvVideoDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_LOAD_DECODERS_H_
