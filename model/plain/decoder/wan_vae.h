// Wan 2.1's video autoencoder: encoder, and a decoder that goes on where it stopped (wan_vae.md sections 2 to 6). Plain
// tensor code: it carries gradients when the weights do.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/plain/decoder/wan_vae_weights.h"

namespace videodiffcr {

// What a stream carries from latent frame to latent frame: two input frames of every convolution that looks back.
struct WanVaeDecoderState {
  // Each [1, C, 2, rows, columns], in the order of wan_vae.md section 6; undefined: zeros.
  std::vector<at::Tensor> histories;
  // The first latent frame of a stream passes the temporal upsamplers by.
  bool started = false;
};

// How the diffusion model's latents are normalised (wan_vae.md section 2): decoder input = latent / inverse_std + mean.
// [16] each, on the CPU, rounded to `dtype` before the inversion, as the reference does.
struct LatentNormalization {
  at::Tensor mean;
  at::Tensor inverse_std;
};
LatentNormalization WanLatentNormalization(at::ScalarType dtype);

// Shapes of the histories for latents of h x w, in their order.
std::vector<std::vector<int64_t>> WanVaeHistoryShapes(const WanVaeDecoderWeights& weights, int64_t latent_height,
                                                      int64_t latent_width);

// Normalised latents [frames, 16, h, w] to pixels [T, 3, 8h, 8w], about [-1, 1] but not clamped; T is four per latent
// frame, one for the first of a stream. One latent frame is decoded at a time, so any cut into calls gives the same
// bits.
at::Tensor DecodeWanVae(const WanVaeDecoderWeights& weights, const at::Tensor& latents, WanVaeDecoderState* state);

// Pixels [1 + 4k, 3, 8h, 8w] in [-1, 1] to the normalised mean [1 + k, 16, h, w]; frames beyond the last full four are
// ignored.
at::Tensor EncodeWanVae(const WanVaeEncoderWeights& weights, const at::Tensor& pixels);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_H_
