// The tiny model's decoder as the serving path uses it.
#ifndef VIDEODIFFCR_MODEL_DECODER_PIXEL_SHUFFLE_DECODER_H_
#define VIDEODIFFCR_MODEL_DECODER_PIXEL_SHUFFLE_DECODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/decoder/video_decoder.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<const VideoDecoder>> LoadPixelShuffleVideoDecoder(const SafetensorsReader& reader,
                                                                                 const DecoderConfig& config,
                                                                                 const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_DECODER_PIXEL_SHUFFLE_DECODER_H_
