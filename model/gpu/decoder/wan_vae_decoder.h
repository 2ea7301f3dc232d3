// Wan's decoder on CUDA in 16-bit arithmetic: the function of DecodeWanVae() (wan_vae.h), for speed.
//
// A whole chunk goes through each layer at once (the first latent frame of a scene alone). Each convolution reads its
// two frames of history and the new frames from one buffer, into which the norm before it writes; bias and residual are
// added as it writes. Enlarged frames are never made (EnlargingConv). docs/experiments.md has the steps and what each
// gained.
//
// Promise: products of 16-bit values, fp32 sums, fp32 norms; activations, history and shares of the last convolution
// are rounded to 16 bits once each. Against the plain network in fp32: cosine at least 0.9995 of the pixels with random
// weights (tests/model/gpu/decoder/decoders_test.cc).
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_WAN_VAE_DECODER_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_WAN_VAE_DECODER_H_

#include <memory>

#include "model/plain/decoder/video_decoder.h"
#include "model/plain/decoder/wan_vae_weights.h"

namespace videodiffcr {

// Whether the fast path takes these: a CUDA device, bf16 or fp16, channels in multiples of 8.
bool DeviceWanVaeTakes(const WanVaeDecoderWeights& weights, const VideoDecoderOptions& options);

// `weights` of any type on any device; in fp32 nothing is rounded twice.
std::unique_ptr<const VideoDecoder> MakeDeviceWanVaeDecoder(const WanVaeDecoderWeights& weights, int64_t z_dim,
                                                            const VideoDecoderOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_WAN_VAE_DECODER_H_
