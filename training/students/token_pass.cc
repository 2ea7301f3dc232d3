#include "training/students/token_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <cmath>

namespace videodiffcr::training {
namespace {

int64_t PastTokens(const RolloutState& state) {
  return state.cache.past().empty() ? 0 : state.cache.past().front().k.size(1);
}

// place * 10000^(-i / pairs): [.., L] -> [.., L, pairs].
at::Tensor Angles(const at::Tensor& place, int64_t pairs) {
  const at::Tensor exponent = at::arange(pairs, place.options()) / static_cast<double>(pairs);
  return place.unsqueeze(-1) * (exponent * -std::log(10000.0)).exp();
}

}  // namespace

TokenPlaces GridPlaces(const TransformerConfig& config, at::Device device) {
  const int64_t columns = config.patch_columns(), in_frame = config.tokens_per_frame();
  const at::Tensor token =
      at::arange(config.tokens_per_chunk(), at::TensorOptions(at::kLong).device(device)).unsqueeze(0);
  const at::Tensor within = token.remainder(in_frame);
  return {token.floor_divide(in_frame).to(at::kDouble), within.floor_divide(columns).to(at::kDouble),
          within.remainder(columns).to(at::kDouble)};
}

at::Tensor TakeTokens(const at::Tensor& x, const at::Tensor& index) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = index.size(0);
  at::Tensor wide = index;
  while (wide.dim() < x.dim()) wide = wide.unsqueeze(-1);
  const at::Tensor of_batch = x.expand(shape);
  shape[1] = index.size(1);
  return of_batch.gather(1, wide.expand(shape));
}

TokenPass::TokenPass(const DiffusionTransformer& network, const at::Tensor& latents, float timestep,
                     const RolloutState& state)
    : network_(network),
      state_(state),
      time_(EmbedTime(network,
                      at::full({latents.size(0), latents.size(1)}, timestep, latents.options().dtype(at::kDouble)))),
      block_time_(time_.e0.narrow(1, 0, 1)),
      grid_(MakePositions(network, state.cache.finished_frames(), latents.size(1), PastTokens(state))) {}

RotaryTable TokenPass::RotaryOf(const TokenPlaces& places) const {
  const TransformerConfig& config = network_.config;
  const auto [frame_pairs, row_pairs, column_pairs] = RotaryPairs(config.head_dim());
  const int64_t before = config.rope_positions == RopePositions::kAbsolute
                             ? state_.cache.finished_frames()
                             : PastTokens(state_) / config.tokens_per_frame();
  const at::Tensor angles = at::cat({Angles(places.frame + static_cast<double>(before), frame_pairs),
                                     Angles(places.row, row_pairs), Angles(places.column, column_pairs)},
                                    -1)
                                .unsqueeze(2);
  return {angles.cos().to(network_.rotary_dtype), angles.sin().to(network_.rotary_dtype)};
}

at::Tensor TokenPass::Run(size_t block, const at::Tensor& x, const RotaryTable& rotary) const {
  const KeysValues nothing;
  const ChunkPositions positions = {rotary, grid_.past};
  const BlockContext context = {network_.config.num_heads,
                                network_.config.eps,
                                block_time_,
                                state_.cache.past().empty() ? nothing : state_.cache.past()[block],
                                positions,
                                state_.text[block]};
  return DenseBlock(network_.weights.blocks[block], context, x).x;
}

at::Tensor TokenPass::RunAll(at::Tensor x, const RotaryTable& rotary) const {
  for (size_t block = 0; block < network_.weights.blocks.size(); ++block) x = Run(block, x, rotary);
  return x;
}

}  // namespace videodiffcr::training
