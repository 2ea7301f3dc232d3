#include "training/stages/teacher_forcing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <memory>
#include <optional>
#include <utility>

#include "training/model/recomputed_block.h"

namespace videodiffcr::training {

namespace {

// [B, K F, ...] to chunk 0 of all windows, then chunk 1, ...: [K B, F, ...].
at::Tensor ChunksFirst(const at::Tensor& windows, int64_t chunks) {
  return windows.unflatten(1, {chunks, -1}).transpose(0, 1).flatten(0, 1);
}

// Angles of the rows that TeacherForcingBlock() takes: [2 K - 1, 1, N, 1, d/2].
RotaryTable WindowRotary(const DiffusionTransformer& model, int64_t chunks) {
  const RotaryTable table = MakePositions(model, 0, chunks * model.config.chunk_frames, 0).chunk;
  const auto rows = [chunks](const at::Tensor& angles) {  // [1, K N, 1, d/2]
    const at::Tensor noisy = angles.unflatten(1, {chunks, -1}).transpose(0, 1);
    return at::cat({noisy, noisy.narrow(0, 0, chunks - 1)});
  };
  return {rows(table.cos), rows(table.sin)};
}

// A block's keys of the noisy chunks, then of the clean ones but the last.
KeysValues WindowText(const BlockWeights& block, const TransformerConfig& config, const at::Tensor& text,
                      int64_t clean_rows) {
  const KeysValues keys = MakeKeysValues(block.cross_attn, text, config.num_heads, config.eps);
  return {at::cat({keys.k, keys.k.narrow(0, 0, clean_rows)}), at::cat({keys.v, keys.v.narrow(0, 0, clean_rows)})};
}

}  // namespace

at::Tensor TeacherForcingFlow(const DiffusionTransformer& model, BlockFeed& blocks, const TeacherForcingInput& input,
                              bool recompute) {
  const int64_t windows = input.timesteps.size(0), chunks = input.timesteps.size(1);
  const int64_t noisy_rows = chunks * windows, clean_rows = noisy_rows - windows;
  const at::Tensor latents =
      at::cat({ChunksFirst(input.noisy, chunks), ChunksFirst(input.clean, chunks).narrow(0, 0, clean_rows)});
  const at::Tensor timesteps = input.timesteps.t().flatten().to(at::kDouble);
  // One time for all frames of a chunk: [rows, 1].
  const TimeEmbedding time =
      EmbedTime(model, at::cat({timesteps, at::zeros({clean_rows}, timesteps.options())}).unsqueeze(1));
  const ChunkPositions positions = {WindowRotary(model, chunks), std::nullopt};
  const at::Tensor text = EmbedText(model, input.text);
  const KeysValues nothing;
  at::Tensor x = Patchify(model, latents.to(model.weights.head.weight.scalar_type()));
  for (size_t i = 0; i < model.weights.blocks.size(); ++i) {
    const BlockWeights& weights = blocks.Take(i);
    const KeysValues keys = WindowText(weights, model.config, text, clean_rows);
    const BlockContext context = {model.config.num_heads, model.config.eps, time.e0, nothing, positions, keys};
    // The weights by value, tensors that are shared: backward() may come when `model` is gone.
    const BlockPass pass = [weights, chunks](const BlockContext& of_block, const RoutingRule&, const at::Tensor& rows) {
      return TeacherForcingBlock(weights, of_block, chunks, rows);
    };
    x = recompute ? RecomputedBlock(weights, context, {}, {}, x, pass) : pass(context, {}, x);
  }
  const at::Tensor flow = RunHead(model, x.narrow(0, 0, noisy_rows), time.e.narrow(0, 0, noisy_rows)).to(at::kFloat);
  return flow.unflatten(0, {chunks, windows}).transpose(0, 1).flatten(1, 2);
}

at::Tensor ShiftedSigma(const at::Tensor& u, double shift) { return u * shift / (u * (shift - 1) + 1); }

at::Tensor PerLatentFrame(const at::Tensor& per_chunk, int64_t chunk_frames) {
  return per_chunk.repeat_interleave(chunk_frames, 1).unsqueeze(-1).unsqueeze(-1).unsqueeze(-1);
}

at::Tensor MaskedMeanSquare(const at::Tensor& error, const at::Tensor& mask, int64_t chunk_frames,
                            const at::Tensor& counted) {
  const at::Tensor of_chunks = error.square().unflatten(1, {-1, chunk_frames}).mean({2, 3, 4, 5});  // [B, K]
  return (of_chunks * mask).sum() / (counted.defined() ? counted : mask.sum());
}

}  // namespace videodiffcr::training
