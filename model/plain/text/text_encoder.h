// UMT5 encoder: token ids to the rows that the transformer's cross-attention reads (umt5_text_encoder.md sections 4 and
// 5). Plain tensor code: it carries gradients when the weights do.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_TEXT_ENCODER_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_TEXT_ENCODER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

// Letters: D model width, A attention width, F feed-forward width, N heads, d = A / N.
struct TextEncoderBlockWeights {
  at::Tensor norm1;          // [D], before attention
  at::Tensor q, k, v;        // [A, D]
  at::Tensor o;              // [D, A]
  at::Tensor position_bias;  // [num_buckets, N], of this layer alone
  at::Tensor norm2;          // [D], before the feed-forward layer
  at::Tensor gate, fc1;      // [F, D]; the gate carries the activation
  at::Tensor fc2;            // [D, F]
};

struct TextEncoderWeights {
  at::Tensor token_embedding;  // [vocab_size, D]
  std::vector<TextEncoderBlockWeights> blocks;
  at::Tensor norm;  // [D]
};

// One row per tensor, named as in umt5_text_encoder.md section 6; rows point into `weights`, whose blocks are made
// here.
std::vector<WeightRow> TextEncoderWeightTable(const TextEncoderConfig& config, TextEncoderWeights* weights);

// Errors name file and tensor; nothing is read when one is found (LoadWeightTable).
absl::StatusOr<TextEncoderWeights> LoadTextEncoderWeights(const SafetensorsReader& reader,
                                                          const TextEncoderConfig& config,
                                                          const WeightOptions& options = {});

// `ids` [prompts, tokens] int64, without padding; returns [prompts, tokens, D] in the weights' type. Prompts of one
// call have the same length, so there is nothing to mask. Ids must be in range (CheckTokenIds).
at::Tensor EncodeTokens(const TextEncoderConfig& config, const TextEncoderWeights& weights, const at::Tensor& ids);

// InvalidArgument when `ids` is empty, is longer than `text_len` or has an id outside the vocabulary.
absl::Status CheckTokenIds(const TextEncoderConfig& config, const std::vector<int32_t>& ids, int64_t text_len);

// Prompts of any lengths in one tensor, on the CPU.
struct PaddedPrompts {
  at::Tensor ids;      // int64 [prompts, tokens of the longest], zeros past a prompt's end
  at::Tensor lengths;  // int64 [prompts]
};

// InvalidArgument as CheckTokenIds(), and when there are no prompts.
absl::StatusOr<PaddedPrompts> PadPrompts(const TextEncoderConfig& config,
                                         const std::vector<std::vector<int32_t>>& prompts, int64_t text_len);

// [prompts, text_len, D] on the weights' device; rows past a prompt's end token are zero. One pass in which no token
// sees padding: each prompt gets what EncodeTokens() gives it, within rounding. Does not wait for the device.
at::Tensor EncodePaddedPrompts(const TextEncoderConfig& config, const TextEncoderWeights& weights,
                               const PaddedPrompts& prompts, int64_t text_len);

// PadPrompts() and EncodePaddedPrompts().
absl::StatusOr<at::Tensor> EncodePrompts(const TextEncoderConfig& config, const TextEncoderWeights& weights,
                                         const std::vector<std::vector<int32_t>>& prompts, int64_t text_len);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_TEXT_ENCODER_H_
