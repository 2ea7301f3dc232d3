// The plain networks behind the interface that serving decodes through: any device, any type, any width. Where there is
// a faster decoder, model/load takes that one.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_PLAIN_VIDEO_DECODERS_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_PLAIN_VIDEO_DECODERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "model/plain/decoder/pixel_shuffle_taehv.h"
#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/plain/decoder/wan_vae_weights.h"

namespace videodiffcr {

// The weights are of the options' type and on its device.
std::unique_ptr<const VideoDecoder> MakePlainPixelShuffleDecoder(PixelShuffleDecoderWeights weights, int64_t z_dim,
                                                                 const VideoDecoderOptions& options);
std::unique_ptr<const VideoDecoder> MakePlainTaehvDecoder(TaehvDecoderWeights weights, int64_t z_dim,
                                                          const VideoDecoderOptions& options);
std::unique_ptr<const VideoDecoder> MakePlainWanVaeDecoder(WanVaeDecoderWeights weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options);

// What a pixel-shuffle decoder carries, whoever runs it: one frame of input per memory block, at the size of its stage,
// as [rows, columns, channels].
std::vector<std::vector<int64_t>> PixelShuffleStateShapes(const PixelShuffleDecoderWeights& weights,
                                                          const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_PLAIN_VIDEO_DECODERS_H_
