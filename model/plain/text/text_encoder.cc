#include "model/plain/text/text_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/plain/text/relative_bucket.h"

namespace videodiffcr {
namespace {

// Mean of squares in fp32, back to the weight's type before the gain. x [..., D], gain [D].
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& gain, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return gain * (wide * scale).to(gain.scalar_type());
}

// Without waiting for what the device is at: the source is pageable, so it has been read when this returns.
at::Tensor ToDevice(const at::Tensor& x, at::Device device) {
  return x.to(device, x.scalar_type(), /*non_blocking=*/true);
}

// [tokens, tokens]: bucket of each (query, key) pair.
at::Tensor BucketTable(const TextEncoderConfig& config, int64_t tokens, at::Device device) {
  std::vector<int64_t> buckets;
  buckets.reserve(static_cast<size_t>(tokens * tokens));
  for (int64_t query = 0; query < tokens; ++query) {
    for (int64_t key = 0; key < tokens; ++key) {
      buckets.push_back(RelativeBucket(key - query, config.num_buckets, config.max_distance));
    }
  }
  return ToDevice(at::tensor(buckets, at::kLong).view({tokens, tokens}), device);
}

// y [prompts, tokens, D] -> [prompts, tokens, D]. `buckets` [tokens, tokens]. No 1/sqrt(d): it is folded into training.
// `hidden_keys` bool [prompts, 1, 1, tokens]: padding, which nobody sees; undefined: there is none.
at::Tensor Attention(const TextEncoderConfig& config, const TextEncoderBlockWeights& block, const at::Tensor& y,
                     const at::Tensor& buckets, const at::Tensor& hidden_keys) {
  const auto heads = [&](const at::Tensor& weight) {  // [prompts, N, tokens, d]
    return at::linear(y, weight).unflatten(-1, {config.num_heads, -1}).transpose(1, 2);
  };
  const at::Tensor bias = at::embedding(block.position_bias, buckets).permute({2, 0, 1});  // [N, tokens, tokens]
  at::Tensor logits = at::matmul(heads(block.q), heads(block.k).transpose(-2, -1)) + bias;
  if (hidden_keys.defined()) logits = logits.masked_fill(hidden_keys, -std::numeric_limits<double>::infinity());
  const at::Tensor share = at::softmax(logits, -1, at::kFloat).to(y.scalar_type());
  return at::linear(at::matmul(share, heads(block.v)).transpose(1, 2).flatten(2), block.o);
}

at::Tensor FeedForward(const TextEncoderBlockWeights& block, const at::Tensor& y) {
  return at::linear(at::linear(y, block.fc1) * at::gelu(at::linear(y, block.gate), "tanh"), block.fc2);
}

// ids [prompts, tokens] -> [prompts, tokens, D]; hidden_keys as in Attention().
at::Tensor Encode(const TextEncoderConfig& config, const TextEncoderWeights& weights, const at::Tensor& ids,
                  const at::Tensor& hidden_keys) {
  const at::Tensor buckets = BucketTable(config, ids.size(1), weights.norm.device());
  at::Tensor x = at::embedding(weights.token_embedding, ids);  // [prompts, tokens, D]
  for (const TextEncoderBlockWeights& block : weights.blocks) {
    x = x + Attention(config, block, RmsNorm(x, block.norm1, config.eps), buckets, hidden_keys);
    x = x + FeedForward(block, RmsNorm(x, block.norm2, config.eps));
  }
  return RmsNorm(x, weights.norm, config.eps);
}

}  // namespace

std::vector<WeightRow> TextEncoderWeightTable(const TextEncoderConfig& config, TextEncoderWeights* weights) {
  const int64_t dim = config.dim;
  std::vector<WeightRow> rows;
  rows.push_back({"token_embedding.weight", {config.vocab_size, dim}, &weights->token_embedding});
  weights->blocks.resize(config.num_layers);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    TextEncoderBlockWeights& block = weights->blocks[i];
    const std::string name = absl::StrCat("blocks.", i, ".");
    rows.push_back({name + "norm1.weight", {dim}, &block.norm1});
    rows.push_back({name + "attn.q.weight", {config.dim_attn, dim}, &block.q});
    rows.push_back({name + "attn.k.weight", {config.dim_attn, dim}, &block.k});
    rows.push_back({name + "attn.v.weight", {config.dim_attn, dim}, &block.v});
    rows.push_back({name + "attn.o.weight", {dim, config.dim_attn}, &block.o});
    rows.push_back(
        {name + "pos_embedding.embedding.weight", {config.num_buckets, config.num_heads}, &block.position_bias});
    rows.push_back({name + "norm2.weight", {dim}, &block.norm2});
    rows.push_back({name + "ffn.gate.0.weight", {config.dim_ffn, dim}, &block.gate});
    rows.push_back({name + "ffn.fc1.weight", {config.dim_ffn, dim}, &block.fc1});
    rows.push_back({name + "ffn.fc2.weight", {dim, config.dim_ffn}, &block.fc2});
  }
  rows.push_back({"norm.weight", {dim}, &weights->norm});
  return rows;
}

absl::StatusOr<TextEncoderWeights> LoadTextEncoderWeights(const SafetensorsReader& reader,
                                                          const TextEncoderConfig& config,
                                                          const WeightOptions& options) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  TextEncoderWeights weights;
  const std::vector<WeightRow> rows = TextEncoderWeightTable(config, &weights);
  if (absl::Status status = LoadWeightTable(reader, rows, options); !status.ok()) return status;
  return weights;
}

at::Tensor EncodeTokens(const TextEncoderConfig& config, const TextEncoderWeights& weights, const at::Tensor& ids) {
  return Encode(config, weights, ids, {});
}

absl::Status CheckTokenIds(const TextEncoderConfig& config, const std::vector<int32_t>& ids, int64_t text_len) {
  if (ids.empty() || static_cast<int64_t>(ids.size()) > text_len) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: ", ids.size(), " tokens; must be 1 to ", text_len));
  }
  for (int32_t id : ids) {
    if (id < 0 || id >= config.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt: token id ", id, "; the text encoder has ", config.vocab_size, " embedding rows"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PaddedPrompts> PadPrompts(const TextEncoderConfig& config,
                                         const std::vector<std::vector<int32_t>>& prompts, int64_t text_len) {
  if (prompts.empty()) return absl::InvalidArgumentError("prompts: none given");
  size_t longest = 0;
  for (const std::vector<int32_t>& ids : prompts) {
    if (absl::Status status = CheckTokenIds(config, ids, text_len); !status.ok()) return status;
    longest = std::max(longest, ids.size());
  }
  std::vector<int64_t> padded, lengths;
  padded.reserve(prompts.size() * longest);
  for (const std::vector<int32_t>& ids : prompts) {
    padded.insert(padded.end(), ids.begin(), ids.end());
    padded.resize(padded.size() + longest - ids.size(), 0);
    lengths.push_back(static_cast<int64_t>(ids.size()));
  }
  return PaddedPrompts{at::tensor(padded, at::kLong).view({-1, static_cast<int64_t>(longest)}),
                       at::tensor(lengths, at::kLong)};
}

at::Tensor EncodePaddedPrompts(const TextEncoderConfig& config, const TextEncoderWeights& weights,
                               const PaddedPrompts& prompts, int64_t text_len) {
  const at::Device device = weights.norm.device();
  const at::Tensor ids = ToDevice(prompts.ids, device), lengths = ToDevice(prompts.lengths, device).unsqueeze(1);
  const at::Tensor padding = at::arange(ids.size(1), lengths.options()).unsqueeze(0) >= lengths;  // [prompts, tokens]
  const at::Tensor hidden = Encode(config, weights, ids, padding.unsqueeze(1).unsqueeze(1));
  return at::constant_pad_nd(hidden.masked_fill(padding.unsqueeze(-1), 0.0), {0, 0, 0, text_len - ids.size(1)});
}

absl::StatusOr<at::Tensor> EncodePrompts(const TextEncoderConfig& config, const TextEncoderWeights& weights,
                                         const std::vector<std::vector<int32_t>>& prompts, int64_t text_len) {
  const absl::StatusOr<PaddedPrompts> padded = PadPrompts(config, prompts, text_len);
  if (!padded.ok()) return padded.status();
  return EncodePaddedPrompts(config, weights, *padded, text_len);
}

}  // namespace videodiffcr
