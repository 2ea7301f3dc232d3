// The tiny model's autoencoder: TAEHV's blocks with a pixel shuffle at both ends (tiny_recipe.md section 3). Four pixel
// frames per latent frame, eight pixels per latent pixel each way. Plain tensor code: it carries gradients when the
// weights do.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_PIXEL_SHUFFLE_TAEHV_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_PIXEL_SHUFFLE_TAEHV_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/plain/decoder/memory_block.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

// Pixel frames that one latent frame becomes.
inline constexpr int64_t kPixelShuffleFramesPerLatent = 4;

// Widths and depths; the decoder's stages run from small to large, the encoder's from large to small.
struct PixelShuffleTaehvSizes {
  int64_t z_dim = 16;                                  // latent channels
  std::array<int64_t, 3> decoder_dims = {64, 48, 32};  // channels of each stage
  std::array<int64_t, 3> decoder_blocks = {2, 2, 1};   // memory blocks of each stage
  std::array<int64_t, 3> encoder_dims = {32, 48, 64};
  std::array<int64_t, 2> encoder_blocks = {1, 2};  // memory blocks of the last two stages
};

struct PixelShuffleDecoderWeights {
  ConvWeights conv_in;
  std::array<std::vector<MemoryBlockWeights>, 3> stages;
  ConvWeights up1, up2;     // after nearest x2
  at::Tensor grow1, grow2;  // [2 out, in, 1, 1]: each frame becomes two
  ConvWeights conv_pre;     // without bias
  ConvWeights conv_out;     // [12, in, 3, 3]: colours times the pixels of a 2x2 square
};

struct PixelShuffleEncoderWeights {
  ConvWeights conv_in;                                    // [out, 12, 3, 3]
  at::Tensor pool1, pool2;                                // [out, 2 in, 1, 1]: two frames become one
  ConvWeights down1, down2;                               // stride 2, without bias
  std::array<std::vector<MemoryBlockWeights>, 2> stages;  // after down1, after down2
  ConvWeights conv_out;
};

// One row per tensor, named "decoder.conv_in.weight" and so on; rows point into the weights, whose blocks are made
// here.
std::vector<WeightRow> PixelShuffleDecoderTable(const PixelShuffleTaehvSizes& sizes,
                                                PixelShuffleDecoderWeights* weights);
std::vector<WeightRow> PixelShuffleEncoderTable(const PixelShuffleTaehvSizes& sizes,
                                                PixelShuffleEncoderWeights* weights);

// Widths and depths as the tensors of a file tell them; what they tell is then held to the tables above, and a tensor
// that is missing leaves the default, so that the table names it. `prefix` stands in front of every name.
PixelShuffleTaehvSizes ReadPixelShuffleTaehvSizes(const SafetensorsReader& reader, const std::string& prefix = "");

// One file holds both halves; each function reads its own and leaves the other to its sibling.
absl::StatusOr<PixelShuffleDecoderWeights> LoadPixelShuffleDecoder(const SafetensorsReader& reader,
                                                                   const WeightOptions& options = {});
absl::StatusOr<PixelShuffleEncoderWeights> LoadPixelShuffleEncoder(const SafetensorsReader& reader,
                                                                   const WeightOptions& options = {});

// Latents [clips, frames, z_dim, h, w] to pixels [clips, 4 frames, 3, 8h, 8w], about [0, 1] but not clamped; the first
// three frames of a video are the caller's to drop. `memories`: one per memory block in order of use; empty at the
// start of a video, updated so that the next call goes on.
at::Tensor DecodePixelShuffleTaehv(const PixelShuffleDecoderWeights& weights, const at::Tensor& latents,
                                   std::vector<at::Tensor>* memories);

// Pixels [clips, 1 + 4k, 3, 8h, 8w] in [0, 1] to latents [clips, 1 + k, z_dim, h, w]. Starts a video: no memory is
// carried in.
at::Tensor EncodePixelShuffleTaehv(const PixelShuffleEncoderWeights& weights, const at::Tensor& pixels);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_PIXEL_SHUFFLE_TAEHV_H_
