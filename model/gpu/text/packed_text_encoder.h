// The text encoder as the serving path runs it on a GPU: the function of EncodeTokens() (text_encoder.h), for speed.
//
// q, k and v are one product, as are the gate and fc1; a layer's position bias depends on the distance alone, so it is
// kept by distance instead of by bucket. Products add into the residual stream as they write. Only a prompt's own
// tokens are computed: padding is masked for them and zeroed after them (umt5_text_encoder.md section 5), so nothing is
// lost.
//
// Promise: the arithmetic is that of the weights' type, as in EncodeTokens(), except that the norm rounds once instead
// of twice and that attention adds its bias and takes its softmax in fp32.
#ifndef VIDEODIFFCR_MODEL_GPU_TEXT_PACKED_TEXT_ENCODER_H_
#define VIDEODIFFCR_MODEL_GPU_TEXT_PACKED_TEXT_ENCODER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/plain/text/text_encoder.h"

namespace videodiffcr {

// Const and immutable once made; any thread may call. Letters as in text_encoder.h.
class PackedTextEncoder {
 public:
  // Takes the weights over, layer by layer: the memory of two layers more than they have is needed at most. They stay
  // in their type and where they are.
  PackedTextEncoder(const TextEncoderConfig& config, TextEncoderWeights weights, int64_t text_len);

  // Ids of one prompt, with the end token and without padding, to [tokens, D] in the weights' type, on the current
  // stream; nothing is waited for. InvalidArgument when there are none, more than `text_len` or one outside the
  // vocabulary.
  absl::StatusOr<at::Tensor> Encode(const std::vector<int32_t>& ids) const;

  int64_t bytes() const;  // of all weights

 private:
  struct Block {
    at::Tensor norm1;          // [D]
    at::Tensor qkv;            // [3A, D]
    at::Tensor o;              // [D, A]
    at::Tensor distance_bias;  // [N, 2 text_len - 1]: entry text_len - 1 + (key - query)
    at::Tensor norm2;          // [D]
    at::Tensor gate_fc1;       // [2F, D]
    at::Tensor fc2;            // [D, F]
  };

  at::Tensor Attention(const Block& block, const at::Tensor& y) const;
  at::Tensor FeedForward(const Block& block, const at::Tensor& y) const;

  const TextEncoderConfig config_;
  const int64_t text_len_;
  at::Tensor token_embedding_;  // [vocab_size, D]
  std::vector<Block> blocks_;
  at::Tensor norm_;  // [D]
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_TEXT_PACKED_TEXT_ENCODER_H_
