// The tensors of Wan 2.1's video autoencoder as plain structs, named as in wan_vae.md section 7.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_WEIGHTS_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/plain/decoder/memory_block.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

struct ResidualBlockWeights {
  at::Tensor norm1;                     // [in, 1, 1, 1]
  ConvWeights conv1;                    // [out, in, 3, 3, 3]
  at::Tensor norm2;                     // [out, 1, 1, 1]
  ConvWeights conv2;                    // [out, out, 3, 3, 3]
  std::optional<ConvWeights> shortcut;  // [out, in, 1, 1, 1], when the widths differ
};

struct SpatialAttentionWeights {
  at::Tensor norm;     // [C, 1, 1]
  ConvWeights to_qkv;  // [3C, C, 1, 1]: q, k, v
  ConvWeights proj;    // [C, C, 1, 1]
};

struct MiddleWeights {
  ResidualBlockWeights first;
  SpatialAttentionWeights attention;
  ResidualBlockWeights second;
};

struct ResampleWeights {
  ConvWeights spatial;  // up: [C / 2, C, 3, 3] after nearest x2; down: [C, C, 3, 3], stride 2
  // Up: [2C, C, 3, 1, 1], each frame becomes two. Down: [C, C, 3, 1, 1], two frames become one. Absent: space only.
  std::optional<ConvWeights> temporal;
};

struct VaeLevelWeights {
  std::vector<ResidualBlockWeights> blocks;
  std::optional<ResampleWeights> resample;  // every level but the last
};

struct VaeHeadWeights {
  at::Tensor norm;   // [C, 1, 1, 1]
  ConvWeights conv;  // [out, C, 3, 3, 3]
};

struct WanVaeDecoderWeights {
  ConvWeights conv2;  // [z, z, 1, 1, 1], before the decoder proper
  ConvWeights conv1;  // [C, z, 3, 3, 3]
  MiddleWeights middle;
  std::vector<VaeLevelWeights> levels;  // small to large
  VaeHeadWeights head;
};

struct WanVaeEncoderWeights {
  ConvWeights conv1;                    // [C, 3, 3, 3, 3]
  std::vector<VaeLevelWeights> levels;  // large to small
  MiddleWeights middle;
  VaeHeadWeights head;
  ConvWeights conv_out;  // "conv1" of the file: [2z, 2z, 1, 1, 1], after the encoder proper
};

// InvalidArgument when `config` is no Wan VAE: the layout is fixed to four levels and 16 latent channels, widths are
// free.
absl::Status CheckWanVaeConfig(const DecoderConfig& config);

// Only for a config that passed. Rows point into the weights, whose levels are made here.
std::vector<WeightRow> WanVaeDecoderTable(const DecoderConfig& config, WanVaeDecoderWeights* weights);
std::vector<WeightRow> WanVaeEncoderTable(const DecoderConfig& config, WanVaeEncoderWeights* weights);

// The file may hold the encoder too; it is left alone. Errors name file and tensor.
absl::StatusOr<WanVaeDecoderWeights> LoadWanVaeDecoder(const SafetensorsReader& reader, const DecoderConfig& config,
                                                       const WeightOptions& options = {});

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_WAN_VAE_WEIGHTS_H_
