// TAEHV (taew2_1), the fast stand-in for Wan's video autoencoder: wan_vae.md section 9. Works on the diffusion model's
// normalised latents; pixels in [0, 1]. Plain tensor code: it carries gradients when the weights do.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_TAEHV_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_TAEHV_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/plain/decoder/memory_block.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

// Channels of the decoder's three stages and of the whole encoder.
inline constexpr std::array<int64_t, 3> kTaehvDecoderDims = {256, 128, 64};
inline constexpr int64_t kTaehvEncoderDim = 64;
// Pixel frames made per latent frame; all but the last of a video's first four are the caller's to drop.
inline constexpr int64_t kTaehvFramesPerLatent = 4;

// Three memory blocks, then nearest x2, then more frames, then a convolution to the next stage's channels.
struct TaehvUpStage {
  std::array<MemoryBlockWeights, 3> blocks;
  at::Tensor grow;   // [factor C, C, 1, 1]
  ConvWeights conv;  // [next C, C, 3, 3], without bias
};

struct TaehvDecoderWeights {
  ConvWeights conv_in;
  std::array<TaehvUpStage, 3> stages;
  ConvWeights conv_out;  // [3, C, 3, 3]
};

// Fewer frames, then half the size, then three memory blocks.
struct TaehvDownStage {
  at::Tensor pool;   // [C, factor C, 1, 1]
  ConvWeights conv;  // stride 2, without bias
  std::array<MemoryBlockWeights, 3> blocks;
};

struct TaehvEncoderWeights {
  ConvWeights conv_in;  // [C, 3, 3, 3]
  std::array<TaehvDownStage, 3> stages;
  ConvWeights conv_out;  // [z_dim, C, 3, 3]
};

// One row per tensor, named by the place in the reference's layer list ("decoder.3.conv.0.weight"). `z_dim`: latent
// channels.
std::vector<WeightRow> TaehvDecoderTable(int64_t z_dim, TaehvDecoderWeights* weights);
std::vector<WeightRow> TaehvEncoderTable(int64_t z_dim, TaehvEncoderWeights* weights);

// The file may hold the encoder too; it is left alone. Errors name file and tensor.
absl::StatusOr<TaehvDecoderWeights> LoadTaehvDecoder(const SafetensorsReader& reader, int64_t z_dim,
                                                     const WeightOptions& options = {});

// Latents [clips, frames, z_dim, h, w] to pixels [clips, 4 frames, 3, 8h, 8w], neither trimmed nor clamped. `memories`:
// nine, in order of use; empty at the start of a video, updated so that the next call goes on.
at::Tensor DecodeTaehv(const TaehvDecoderWeights& weights, const at::Tensor& latents,
                       std::vector<at::Tensor>* memories);

// Pixels [clips, frames, 3, 8h, 8w] in [0, 1] to latents [clips, ceil(frames / 4), z_dim, h, w]. The last frame is
// repeated until there are fours. Starts a video: no memory is carried in.
at::Tensor EncodeTaehv(const TaehvEncoderWeights& weights, const at::Tensor& pixels);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_TAEHV_H_
