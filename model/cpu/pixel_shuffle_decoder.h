// The tiny model's decoder on the CPU, for speed: the function of DecodePixelShuffleTaehv() behind the interface that
// serving decodes through.
#ifndef VIDEODIFFCR_MODEL_CPU_PIXEL_SHUFFLE_DECODER_H_
#define VIDEODIFFCR_MODEL_CPU_PIXEL_SHUFFLE_DECODER_H_

#include <cstdint>
#include <memory>

#include "model/plain/decoder/pixel_shuffle_taehv.h"
#include "model/plain/decoder/video_decoder.h"

namespace videodiffcr {

// fp32 on the CPU, widths in whole groups of channels.
bool WinogradDecoderTakes(const PixelShuffleDecoderWeights& weights, const VideoDecoderOptions& options);

// Only where WinogradDecoderTakes() says so.
std::unique_ptr<const VideoDecoder> MakeWinogradDecoder(const PixelShuffleDecoderWeights& weights, int64_t z_dim,
                                                        const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CPU_PIXEL_SHUFFLE_DECODER_H_
