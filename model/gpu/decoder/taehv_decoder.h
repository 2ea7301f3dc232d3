// TAEHV's decoder on CUDA in 16-bit arithmetic: the function of DecodeTaehv() (taehv.h), for speed.
//
// A memory block's first convolution is one over two frames of time, so x and the frame before are never put side by
// side: they lie one behind the other already. The 1x1 convolution that makes more frames, the enlargement and the 3x3
// convolution after it are one convolution of the small frames (EnlargingConv), exact but for the rounding of weights.
//
// Promise: products of 16-bit values, fp32 sums; activations and shares of the last convolution are rounded to 16 bits
// once each. Against the plain network in fp32: cosine at least 0.9995 with random weights
// (tests/model/gpu/decoder/decoders_test.cc).
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_TAEHV_DECODER_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_TAEHV_DECODER_H_

#include <memory>

#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/video_decoder.h"

namespace videodiffcr {

// Whether the fast path takes these: a CUDA device, bf16 or fp16, latent channels in multiples of 8.
bool DeviceTaehvTakes(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options);

// `weights` of any type on any device; in fp32 nothing is rounded twice.
std::unique_ptr<const VideoDecoder> MakeDeviceTaehvDecoder(const TaehvDecoderWeights& weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_TAEHV_DECODER_H_
