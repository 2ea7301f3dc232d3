#include "model/plain/transformer/diffusion_transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <cmath>

#include "model/plain/transformer/layers.h"

namespace videodiffcr {

at::Tensor EmbedText(const DiffusionTransformer& model, const at::Tensor& hidden) {
  const at::Tensor rows = hidden.to(model.weights.text_embedding_in.weight.options());
  const at::Tensor padded = at::constant_pad_nd(rows, {0, 0, 0, model.config.text_len - rows.size(1)});
  return Linear(GeluTanh(Linear(padded, model.weights.text_embedding_in)), model.weights.text_embedding_out);
}

TextKeys MakeTextKeys(const DiffusionTransformer& model, const at::Tensor& hidden) {
  const at::Tensor context = EmbedText(model, hidden);
  TextKeys keys;
  keys.reserve(model.weights.blocks.size());
  for (const BlockWeights& block : model.weights.blocks) {
    keys.push_back(MakeKeysValues(block.cross_attn, context, model.config.num_heads, model.config.eps));
  }
  return keys;
}

at::Tensor TimestepSinusoid(const at::Tensor& timesteps, int64_t freq_dim) {
  const int64_t half = freq_dim / 2;
  const at::Tensor t = timesteps.to(at::kDouble);
  const at::Tensor frequency = (at::arange(half, t.options()) * (-std::log(10000.0) / static_cast<double>(half))).exp();
  const at::Tensor angle = t.unsqueeze(-1) * frequency;
  return at::cat({angle.cos(), angle.sin()}, -1);
}

TimeEmbedding EmbedTime(const DiffusionTransformer& model, const at::Tensor& timesteps) {
  const TransformerWeights& weights = model.weights;
  const at::Tensor sinusoid = TimestepSinusoid(timesteps, model.config.freq_dim);
  const at::Tensor x = sinusoid.to(weights.time_embedding_in.weight.options());
  const at::Tensor e = Linear(at::silu(Linear(x, weights.time_embedding_in)), weights.time_embedding_out);
  return {e, Linear(at::silu(e), weights.time_projection).unflatten(-1, {6, model.config.dim})};
}

at::Tensor Patchify(const DiffusionTransformer& model, const at::Tensor& latents) {
  const TransformerConfig& config = model.config;
  const int64_t batch = latents.size(0), frames = latents.size(1), channels = latents.size(2);
  const at::Tensor patches =  // [B, F, rows, columns, C, patch_height, patch_width]
      latents
          .view({batch, frames, channels, config.patch_rows(), config.patch_height, config.patch_columns(),
                 config.patch_width})
          .permute({0, 1, 3, 5, 2, 4, 6});
  const at::Tensor flat = patches.reshape({batch, frames * config.tokens_per_frame(), -1});
  // The 3-D convolution with kernel = stride is a product: channel slowest, then row, then column.
  return at::linear(flat, model.weights.patch_embedding.weight.flatten(1), model.weights.patch_embedding.bias);
}

at::Tensor Unpatchify(const TransformerConfig& config, const at::Tensor& tokens) {
  const int64_t batch = tokens.size(0);
  const int64_t frames = tokens.size(1) / config.tokens_per_frame();
  const at::Tensor patches = tokens.view({batch, frames, config.patch_rows(), config.patch_columns(),
                                          config.patch_height, config.patch_width, config.out_dim});
  return patches
      .permute({0, 1, 6, 2, 4, 3, 5})  // [B, F, C, rows, patch_height, columns, patch_width]
      .reshape({batch, frames, config.out_dim, config.latent_height, config.latent_width});
}

ChunkPositions MakePositions(const DiffusionTransformer& model, int64_t first_frame, int64_t frames,
                             int64_t past_tokens) {
  const at::Device device = model.weights.head.weight.device();
  if (model.config.rope_positions == RopePositions::kAbsolute) {
    return {MakeRotaryTable(model.config, first_frame, frames, model.rotary_dtype, device), std::nullopt};
  }
  // The past takes frame positions 0, 1, ... in the order of age, the chunk the next ones (tiny_recipe.md section 5).
  const int64_t past_frames = past_tokens / model.config.tokens_per_frame();
  return {MakeRotaryTable(model.config, past_frames, frames, model.rotary_dtype, device),
          MakeRotaryTable(model.config, 0, past_frames, model.rotary_dtype, device)};
}

at::Tensor RunHead(const DiffusionTransformer& model, const at::Tensor& x, const at::Tensor& e) {
  const at::Tensor s = model.weights.head_modulation.unsqueeze(1) + e.unsqueeze(2);  // [B, F, 2, D]
  const at::Tensor shift = s.narrow(2, 0, 1), scale = 1 + s.narrow(2, 1, 1);         // [B, F, 1, D]
  const at::Tensor by_frame = LayerNorm(x, model.config.eps).unflatten(1, {e.size(1), -1});
  return Unpatchify(model.config, Linear((by_frame * scale + shift).flatten(1, 2), model.weights.head));
}

BlockOutput RunBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& routing, int tenths,
                     const at::Tensor& x) {
  return tenths == kDenseTenths ? DenseBlock(weights, context, x)
                                : RoutedBlock(weights, context, routing, KeptRows(tenths, x.size(1)), x);
}

namespace {

// Of the chunk's tokens, the first so many are of sink frames.
int64_t SinkTokens(const TransformerConfig& config, const PassInput& input) {
  const int64_t frames = std::clamp<int64_t>(config.sink_frames - input.first_frame, 0, input.latents.size(1));
  return frames * config.tokens_per_frame();
}

}  // namespace

PassOutput RunPass(const DiffusionTransformer& model, const PassInput& input) {
  const int64_t frames = input.latents.size(1);
  const TimeEmbedding time = EmbedTime(model, input.timesteps);
  const int64_t past_tokens = input.past.empty() ? 0 : input.past.front().k.size(1);
  const ChunkPositions positions = MakePositions(model, input.first_frame, frames, past_tokens);
  const KeysValues nothing;

  PassOutput output;
  at::Tensor x = Patchify(model, input.latents);  // [B, N, D]
  for (size_t i = 0; i < model.weights.blocks.size(); ++i) {
    const BlockWeights& weights = model.weights.blocks[i];
    const BlockContext context = {
        model.config.num_heads, model.config.eps, time.e0, input.past.empty() ? nothing : input.past[i], positions,
        (*input.text)[i]};
    const int tenths = input.tenths.empty() ? kDenseTenths : input.tenths[i];
    BlockOutput block =
        input.runner ? input.runner(i, context, x) : RunBlock(weights, context, input.routing, tenths, x);
    if (!input.cache.percent.empty() && input.cache.percent[i] < kWholeCachePercent) {
      const at::Tensor scores =
          RankCachedKeys(input.cache, {static_cast<int64_t>(i), weights, context, x, block, input.first_frame});
      block.chunk.seen = ChooseCachedKeys(scores, input.cache.percent[i], SinkTokens(model.config, input));
    }
    x = block.x;
    output.keys.push_back(std::move(block.chunk));
    output.kept.push_back(std::move(block.kept));
    output.scores.push_back(std::move(block.scores));
  }
  output.flow = RunHead(model, x, time.e);
  return output;
}

}  // namespace videodiffcr
