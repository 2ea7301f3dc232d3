#include "model/gpu/text/packed_text_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <utility>

#include "model/plain/text/relative_bucket.h"

namespace videodiffcr {
namespace {

// Rows of a bias that attention kernels read begin at multiples of this many values.
constexpr int64_t kBiasAlignment = 16;

// [2 text_len - 1]: bucket of each distance (key - query), from the lowest on.
at::Tensor DistanceBuckets(const TextEncoderConfig& config, int64_t text_len) {
  std::vector<int64_t> buckets;
  for (int64_t distance = 1 - text_len; distance < text_len; ++distance) {
    buckets.push_back(RelativeBucket(distance, config.num_buckets, config.max_distance));
  }
  return at::tensor(buckets, at::kLong);
}

// `by_distance` [N, 2 text_len - 1] -> [1, N, tokens, tokens]: row `query` is a window that begins at the distance of
// the first key.
at::Tensor BiasFor(const at::Tensor& by_distance, int64_t tokens) {
  const int64_t text_len = (by_distance.size(1) + 1) / 2;
  const at::Tensor windows = by_distance.slice(1, text_len - tokens, text_len + tokens - 1).unfold(1, tokens, 1);
  const int64_t pitch = (tokens + kBiasAlignment - 1) / kBiasAlignment * kBiasAlignment;
  const at::Tensor bias = at::empty({by_distance.size(0), tokens, pitch}, by_distance.options()).slice(2, 0, tokens);
  bias.copy_(windows.flip(1));
  return bias.unsqueeze(0);
}

}  // namespace

PackedTextEncoder::PackedTextEncoder(const TextEncoderConfig& config, TextEncoderWeights weights, int64_t text_len)
    : config_(config), text_len_(text_len), token_embedding_(weights.token_embedding), norm_(weights.norm) {
  const at::NoGradGuard no_gradients;
  const at::Tensor buckets = DistanceBuckets(config, text_len).to(weights.norm.device());
  for (TextEncoderBlockWeights& layer : weights.blocks) {
    const TextEncoderBlockWeights taken = std::exchange(layer, {});  // given back as soon as it is packed
    Block block;
    block.norm1 = taken.norm1;
    block.qkv = at::cat({taken.q, taken.k, taken.v});
    block.o = taken.o;
    block.distance_bias = at::index_select(taken.position_bias, 0, buckets).t().contiguous();
    block.norm2 = taken.norm2;
    block.gate_fc1 = at::cat({taken.gate, taken.fc1});
    block.fc2 = taken.fc2;
    blocks_.push_back(std::move(block));
  }
}

at::Tensor PackedTextEncoder::Attention(const Block& block, const at::Tensor& y) const {
  const int64_t tokens = y.size(0);
  const std::vector<at::Tensor> qkv =  // each [1, N, tokens, d]
      at::linear(y, block.qkv).view({1, tokens, 3, config_.num_heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  // No 1/sqrt(d): it is folded into training.
  const at::Tensor mixed =
      at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], BiasFor(block.distance_bias, tokens),
                                       /*dropout_p=*/0.0, /*is_causal=*/false, /*scale=*/1.0);
  return mixed.transpose(1, 2).reshape({tokens, -1});
}

at::Tensor PackedTextEncoder::FeedForward(const Block& block, const at::Tensor& y) const {
  const std::vector<at::Tensor> parts = at::linear(y, block.gate_fc1).chunk(2, -1);
  return at::gelu(parts[0], "tanh").mul_(parts[1]);
}

absl::StatusOr<at::Tensor> PackedTextEncoder::Encode(const std::vector<int32_t>& ids) const {
  if (absl::Status status = CheckTokenIds(config_, ids, text_len_); !status.ok()) return status;
  const at::NoGradGuard no_gradients;
  const auto norm = [this](const at::Tensor& x, const at::Tensor& gain) {
    return at::rms_norm(x, {x.size(-1)}, gain, config_.eps);
  };
  const at::Tensor places = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong);
  at::Tensor x = at::embedding(token_embedding_, places.to(norm_.device(), /*non_blocking=*/true));  // [tokens, D]
  for (const Block& block : blocks_) {
    x.addmm_(Attention(block, norm(x, block.norm1)), block.o.t());
    x.addmm_(FeedForward(block, norm(x, block.norm2)), block.fc2.t());
  }
  return norm(x, norm_);
}

int64_t PackedTextEncoder::bytes() const {
  int64_t bytes = static_cast<int64_t>(token_embedding_.nbytes() + norm_.nbytes());
  for (const Block& block : blocks_) {
    for (const at::Tensor& tensor :
         {block.norm1, block.qkv, block.o, block.distance_bias, block.norm2, block.gate_fc1, block.fc2}) {
      bytes += static_cast<int64_t>(tensor.nbytes());
    }
  }
  return bytes;
}

}  // namespace videodiffcr
