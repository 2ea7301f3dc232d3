#include "training/stages/whole_clip.h"

#include "training/model/recomputed_block.h"

namespace videodiffcr::training {

at::Tensor WholeClipFlow(const DiffusionTransformer& model, BlockFeed& blocks, const at::Tensor& noisy,
                         const at::Tensor& timesteps, const at::Tensor& text, bool recompute) {
  const at::Tensor embedded = EmbedText(model, text);
  const TextKeys later(model.weights.blocks.size());  // each block's are made when it is there
  PassInput pass;                                     // of one chunk as long as the clip, with no past
  pass.latents = noisy.to(model.weights.head.weight.scalar_type());
  pass.timesteps = timesteps.to(at::kDouble).unsqueeze(1).expand({noisy.size(0), noisy.size(1)});
  pass.text = &later;
  // Keys are left out of the output: no cache wants them, and they would be a quarter of the clip's activations.
  pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& x) -> BlockOutput {
    const BlockWeights& weights = blocks.Take(index);
    const KeysValues keys = MakeKeysValues(weights.cross_attn, embedded, context.num_heads, context.eps);
    const BlockContext here = {context.num_heads, context.eps, context.time, context.past, context.positions, keys};
    // The weights by value, tensors that are shared: backward() may come when `model` is gone.
    const BlockPass block = [weights](const BlockContext& of_block, const RoutingRule&, const at::Tensor& rows) {
      return DenseBlock(weights, of_block, rows).x;
    };
    return {recompute ? RecomputedBlock(weights, here, {}, {}, x, block) : block(here, {}, x), {}, {}, {}};
  };
  return RunPass(model, pass).flow.to(at::kFloat);
}

}  // namespace videodiffcr::training
