#include "model/gpu/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include "absl/strings/str_cat.h"
#include "model/kernels/residual_norm.h"
#include "model/kernels/token_routing.h"
#include "model/plain/transformer/diffusion_transformer.h"

namespace videodiffcr::gpu {
namespace {

at::Tensor Wide(const at::Tensor& tensor) { return tensor.to(at::kFloat).contiguous(); }

at::Tensor WideLinear(const at::Tensor& x, const LinearWeights& linear) {
  return at::linear(x, linear.weight.to(at::kFloat), linear.bias.to(at::kFloat));
}

GpuRouter MakeRouter(const RouterWeights& router, at::ScalarType type) {
  return {router.down.weight.to(type).contiguous(), Wide(router.down.bias), Wide(router.mix.permute({1, 2, 0})),
          Wide(router.score.flatten())};
}

GpuBlock MakeBlock(const BlockWeights& block, Precision precision) {
  const at::ScalarType type = ActivationType(precision);
  // Products whose input a norm or GELU has just written can take it in 8 bits; attention's results stay bfloat16.
  const auto narrow = [&](const LinearWeights& linear) {
    return precision == Precision::kFloat8 ? MakeFloat8Linear(linear) : MakeGpuLinear(linear, type);
  };
  GpuBlock packed;
  packed.qkv = narrow(StackLinears({&block.self_attn.q, &block.self_attn.k, &block.self_attn.v}));
  packed.self_out = MakeGpuLinear(block.self_attn.o, type);
  packed.cross_q = narrow(block.cross_attn.q);
  packed.cross_kv = MakeGpuLinear(StackLinears({&block.cross_attn.k, &block.cross_attn.v}), type);
  packed.cross_out = MakeGpuLinear(block.cross_attn.o, type);
  packed.ffn_in = narrow(block.ffn_in);
  packed.ffn_out = narrow(block.ffn_out);
  if (packed.ffn_in.is_float8()) packed.ffn_in_bound = OutputBoundOf(packed.ffn_in);
  packed.norm_q = Wide(block.self_attn.norm_q);
  packed.norm_k = Wide(block.self_attn.norm_k);
  packed.cross_norm_q = Wide(block.cross_attn.norm_q);
  packed.cross_norm_k = Wide(block.cross_attn.norm_k);
  packed.norm3_weight = Wide(block.norm3_weight);
  packed.norm3_bias = Wide(block.norm3_bias);
  if (block.router.has_value()) packed.router = MakeRouter(*block.router, type);
  if (block.bypass.has_value()) packed.bypass = {block.bypass->down.to(type).contiguous(), Wide(block.bypass->up.t())};
  return packed;
}

// Tables of causal_wan_dit.md sections 3 and 5 for the few timesteps of the rollout, in fp32.
void Tabulate(const TransformerConfig& config, const TransformerWeights& weights, const std::vector<float>& timesteps,
              GpuTransformerWeights& packed) {
  const at::Device device = weights.head.weight.device();
  std::vector<at::Tensor> modulations, shifts, scales;
  for (const float timestep : timesteps) {
    const at::Tensor t = at::tensor({static_cast<double>(timestep)}, at::kDouble).to(device);
    const at::Tensor sinusoid = TimestepSinusoid(t, config.freq_dim).to(at::kFloat);  // [1, freq_dim]
    const at::Tensor e =
        WideLinear(at::silu(WideLinear(sinusoid, weights.time_embedding_in)), weights.time_embedding_out);
    const at::Tensor e0 = WideLinear(at::silu(e), weights.time_projection).view({6, config.dim});
    std::vector<at::Tensor> blocks;
    for (const BlockWeights& block : weights.blocks) {
      at::Tensor table = block.modulation.to(at::kFloat).view({6, config.dim}) + e0;
      table.select(0, 1).add_(1);
      table.select(0, 4).add_(1);
      blocks.push_back(table);
    }
    modulations.push_back(at::stack(blocks));
    const at::Tensor head = weights.head_modulation.to(at::kFloat).view({2, config.dim}) + e;
    shifts.push_back(head.select(0, 0));
    scales.push_back(head.select(0, 1) + 1);
  }
  packed.modulation = at::stack(modulations).contiguous();
  packed.head_shift = at::stack(shifts).contiguous();
  packed.head_scale = at::stack(scales).contiguous();
}

}  // namespace

absl::Status CheckSizes(const TransformerConfig& config, Precision precision) {
  const auto require = [](bool holds, const char* field, int64_t value, const char* what) {
    return holds ? absl::OkStatus()
                 : absl::InvalidArgumentError(absl::StrCat("transformer.", field, " ", value, ": on the GPU ", what));
  };
  const int64_t unit = precision == Precision::kFloat8 ? 16 : 4;
  for (const absl::Status& status :
       {require(config.dim % unit == 0 && config.dim <= kernels::kWidestRow, "dim", config.dim,
                "it must be a multiple of 4 (16 for fp8), at most 10240"),
        require(config.ffn_dim % unit == 0 && config.ffn_dim <= kernels::kWidestRow, "ffn_dim", config.ffn_dim,
                "it must be a multiple of 4 (16 for fp8), at most 10240"),
        require(config.tokens_per_chunk() <= kernels::kMostTokens, "tokens per chunk", config.tokens_per_chunk(),
                "there can be at most 16384"),
        require(config.head_dim() % 4 == 0, "head_dim", config.head_dim(), "it must be a multiple of 4"),
        require(config.patch_height * config.patch_width * config.out_dim % 4 == 0, "out_dim", config.out_dim,
                "the values of a patch must be a multiple of 4")}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<GpuTransformerWeights> MakeGpuWeights(const TransformerConfig& config, const TransformerWeights& weights,
                                                     const std::vector<float>& timesteps, Precision precision) {
  const absl::Status sizes = CheckSizes(config, precision);
  if (!sizes.ok()) return sizes;
  GpuTransformerWeights packed;
  packed.patch_embedding = MakeGpuLinear(weights.patch_embedding, at::kFloat);
  packed.text_in = MakeGpuLinear(weights.text_embedding_in, ActivationType(precision));
  packed.text_out = MakeGpuLinear(weights.text_embedding_out, ActivationType(precision));
  packed.head = MakeGpuLinear(weights.head, at::kFloat);
  for (const BlockWeights& block : weights.blocks) packed.blocks.push_back(MakeBlock(block, precision));
  Tabulate(config, weights, timesteps, packed);
  return packed;
}

}  // namespace videodiffcr::gpu
