#include "model/cpu/weights.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr::cpu {
namespace {

FloatBuffer Values(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* data = plain.const_data_ptr<float>();
  return {data, data + plain.numel()};
}

PackedLinear Pack(const LinearWeights& linear) {
  PackedLinear packed;
  packed.out = linear.weight.size(0);
  packed.in = linear.weight.numel() / packed.out;
  packed.weight = Values(linear.weight);
  packed.bias = Values(linear.bias);
  return packed;
}

PackedLinear Stack(const LinearWeights& a, const LinearWeights& b, const LinearWeights& c) {
  return Pack({at::cat({a.weight, b.weight, c.weight}), at::cat({a.bias, b.bias, c.bias})});
}

PackedRouter Pack(const RouterWeights& router) {
  // [r, to, from] to [to, from, r]: the channel is the innermost loop.
  return {Pack(router.down), Values(router.mix.permute({1, 2, 0})), Values(router.score)};
}

PackedLinear WithoutBias(const at::Tensor& weight) { return {weight.size(0), weight.size(1), Values(weight), {}}; }

PackedBlock Pack(const BlockWeights& block) {
  PackedBlock packed;
  packed.qkv = Stack(block.self_attn.q, block.self_attn.k, block.self_attn.v);
  packed.norm_q = Values(block.self_attn.norm_q);
  packed.norm_k = Values(block.self_attn.norm_k);
  packed.self_out = Pack(block.self_attn.o);
  packed.norm3_weight = Values(block.norm3_weight);
  packed.norm3_bias = Values(block.norm3_bias);
  packed.cross_q = Pack(block.cross_attn.q);
  packed.cross_k = Pack(block.cross_attn.k);
  packed.cross_v = Pack(block.cross_attn.v);
  packed.cross_out = Pack(block.cross_attn.o);
  packed.cross_norm_q = Values(block.cross_attn.norm_q);
  packed.cross_norm_k = Values(block.cross_attn.norm_k);
  packed.ffn_in = Pack(block.ffn_in);
  packed.ffn_out = Pack(block.ffn_out);
  if (block.router.has_value()) packed.router = Pack(*block.router);
  if (block.bypass.has_value()) packed.bypass = {WithoutBias(block.bypass->down), WithoutBias(block.bypass->up)};
  return packed;
}

at::Tensor Widen(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU, at::kFloat); }

at::Tensor Linear(const at::Tensor& x, const LinearWeights& linear) {
  return at::linear(x, Widen(linear.weight), Widen(linear.bias));
}

// causal_wan_dit.md section 3: cosines first, in double, then cast. [freq_dim]
at::Tensor Sinusoid(float timestep, int64_t freq_dim) {
  at::Tensor out = at::zeros({freq_dim}, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  const int64_t half = freq_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double angle =
        static_cast<double>(timestep) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
    values[i] = static_cast<float>(std::cos(angle));
    values[half + i] = static_cast<float>(std::sin(angle));
  }
  return out;
}

}  // namespace

void Apply(const PackedLinear& linear, const float* in, int64_t rows, float* out) {
  MultiplyTransposed({in, linear.in}, linear.matrix(), rows, linear.out, linear.in, false, {out, linear.out});
}

PackedTransformer PackTransformer(const TransformerConfig& config, const TransformerWeights& weights,
                                  const std::vector<float>& timesteps) {
  PackedTransformer packed;
  packed.patch_embedding = Pack(weights.patch_embedding);
  packed.text_in = Pack(weights.text_embedding_in);
  packed.text_out = Pack(weights.text_embedding_out);
  for (const BlockWeights& block : weights.blocks) packed.blocks.push_back(Pack(block));
  packed.head = Pack(weights.head);

  for (const float timestep : timesteps) {
    const at::Tensor hidden = at::silu(Linear(Sinusoid(timestep, config.freq_dim), weights.time_embedding_in));
    const at::Tensor e = Linear(hidden, weights.time_embedding_out);                           // [D]
    const at::Tensor e0 = Linear(at::silu(e), weights.time_projection).view({6, config.dim});  // [6, D]
    std::vector<ModulationVectors> blocks;
    for (const BlockWeights& block : weights.blocks) {
      at::Tensor modulation = Widen(block.modulation).view({6, config.dim}).add(e0);
      modulation.select(0, 1).add_(1);
      modulation.select(0, 4).add_(1);
      blocks.push_back({Values(modulation), config.dim});
    }
    packed.modulation.push_back(std::move(blocks));
    const at::Tensor head = Widen(weights.head_modulation).view({2, config.dim}).add(e);
    packed.head_shift.push_back(Values(head.select(0, 0)));
    packed.head_scale.push_back(Values(head.select(0, 1).add(1)));
  }
  return packed;
}

}  // namespace videodiffcr::cpu
