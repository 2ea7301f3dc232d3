#include "model/plain/transformer/router.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include "model/plain/transformer/layers.h"

namespace videodiffcr {

namespace {

// mix [r, C, C] -> [r, frames, frames].
at::Tensor MixOfFrames(const at::Tensor& mix, int64_t frames) {
  if (mix.size(1) == frames) return mix;
  const at::Tensor rows = mix.slice(1, 0, frames);
  const at::Tensor part = rows.slice(2, 0, frames);
  return part * (rows.sum(2, /*keepdim=*/true) / part.sum(2, /*keepdim=*/true));
}

}  // namespace

at::Tensor RouterFeatures(const RouterWeights& weights, const at::Tensor& x_norm) {
  const at::Tensor x = WidenToFloat(x_norm);
  return at::linear(x, weights.down.weight.to(x.scalar_type()), weights.down.bias.to(x.scalar_type()));
}

at::Tensor ScoresOfFeatures(const RouterWeights& weights, const at::Tensor& z, int64_t frames,
                            const at::Tensor& beside) {
  const int64_t batch = z.size(0);
  const int64_t tokens_per_frame = z.size(1) / frames;
  const at::Tensor by_frame = z.view({batch, frames, tokens_per_frame, z.size(2)});  // [B, C, S, r]
  const at::Tensor mix = MixOfFrames(weights.mix.to(z.scalar_type()), frames);       // [r, C, C]
  // u[g,s,c] = sum over f of mix[c,g,f] z[f,s,c]: the frames of one site are mixed, each channel its own way.
  at::Tensor u = at::einsum("cgf,bfsc->bgsc", {mix, by_frame});
  if (beside.defined()) u = u + beside;
  const at::Tensor scores = at::linear(at::silu(u), weights.score.to(z.scalar_type()));  // [B, C, S, 1]
  return scores.reshape({batch, frames * tokens_per_frame});
}

at::Tensor RouterScores(const RouterWeights& weights, const at::Tensor& x_norm, int64_t frames) {
  return ScoresOfFeatures(weights, RouterFeatures(weights, x_norm), frames);
}

at::Tensor GateFromScores(const at::Tensor& scores, RouterGate gate, at::ScalarType dtype) {
  switch (gate) {
    case RouterGate::kTwoSigmoid:
      return (2 * at::sigmoid(scores)).to(dtype).unsqueeze(-1);
    case RouterGate::kSigmoid:
      return at::sigmoid(scores).to(dtype).unsqueeze(-1);
    case RouterGate::kNone:
      break;
  }
  return {};
}

}  // namespace videodiffcr
