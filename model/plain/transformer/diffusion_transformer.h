// The whole network: latents, timesteps and text in, flow out (causal_wan_dit.md sections 3 to 6). Plain functions over
// plain structs, no state, gradients all the way. Letters: model/README.md.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_DIFFUSION_TRANSFORMER_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_DIFFUSION_TRANSFORMER_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "model/config/model_config.h"
#include "model/plain/transformer/block.h"
#include "model/plain/transformer/cache_ranking.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// A loaded network. Copies share the tensors.
struct DiffusionTransformer {
  TransformerConfig config;
  TransformerWeights weights;
  // What rotary positions are multiplied in; float64 is the reference, fp32 is enough for training.
  at::ScalarType rotary_dtype = at::kDouble;
};

// Cross-attention keys of a prompt, one entry per block: [B, text_len, N, d].
using TextKeys = std::vector<KeysValues>;

// Text embedding, section 3: hidden [B, rows <= text_len, text_dim] -> [B, text_len, D]. Missing rows are zeros before
// the embedding, so not zero after it, and they take part in cross-attention (quirk Q4).
at::Tensor EmbedText(const DiffusionTransformer& model, const at::Tensor& hidden);
// EmbedText() and then every block's keys and values: once per prompt.
TextKeys MakeTextKeys(const DiffusionTransformer& model, const at::Tensor& hidden);

// Sinusoid of timesteps, section 3: t float64 [B, F] -> float64 [B, F, freq_dim], cosines first.
at::Tensor TimestepSinusoid(const at::Tensor& timesteps, int64_t freq_dim);

// Tokens of latents: [B, F, C, h, w] -> [B, F S, D]; frame slowest, then patch row, then patch column.
at::Tensor Patchify(const DiffusionTransformer& model, const at::Tensor& latents);
// The head's output [B, F S, patch_height patch_width C] -> [B, F, C, h, w].
at::Tensor Unpatchify(const TransformerConfig& config, const at::Tensor& tokens);

// Runs block `index` of a pass on x [B, N, D].
using BlockRunner = std::function<BlockOutput(size_t index, const BlockContext& context, const at::Tensor& x)>;

// One pass over one chunk of F <= chunk_frames latent frames.
struct PassInput {
  at::Tensor latents;       // [B, F, C, h, w], in the type of the weights
  at::Tensor timesteps;     // float64 [B, F] on the latents' device, 0 to 1000, as the fp32 schedule rounds them
  int64_t first_frame = 0;  // latent frames before this chunk in the whole video
  const TextKeys* text = nullptr;
  // What the chunk sees before itself (KvCache::VisiblePast), whole frames; empty: nothing.
  std::vector<KeysValues> past;
  // Tenths of rows kept, one per block; empty: all dense. 10 is the dense block, whose router is never called.
  std::vector<int> tenths;
  RoutingRule routing;
  BlockRunner runner;  // empty: RunBlock(), by the tenths and the routing above. Others are the trainer's.
  CacheRule cache;     // of a context pass: marks the keys that stay
};

struct PassOutput {
  at::Tensor flow;                 // [B, F, C, h, w], an estimate of noise - x0
  std::vector<KeysValues> keys;    // per block; see BlockOutput::chunk
  std::vector<at::Tensor> kept;    // per block; undefined where dense
  std::vector<at::Tensor> scores;  // per block; undefined where dense
};

PassOutput RunPass(const DiffusionTransformer& model, const PassInput& input);

// One block with `tenths` of its rows: the dense block for 10, else the routed one.
BlockOutput RunBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& routing, int tenths,
                     const at::Tensor& x);

// The parts of a pass, for what is no pass of one chunk.
struct TimeEmbedding {
  at::Tensor e;   // [B, F, D]: modulates the head
  at::Tensor e0;  // [B, F, 6, D]: modulates the blocks
};
TimeEmbedding EmbedTime(const DiffusionTransformer& model, const at::Tensor& timesteps);
// Positions of a chunk of `frames` frames and of the `past_tokens` tokens before it.
ChunkPositions MakePositions(const DiffusionTransformer& model, int64_t first_frame, int64_t frames,
                             int64_t past_tokens);
// x [B, N, D] and e -> flow [B, F, C, h, w].
at::Tensor RunHead(const DiffusionTransformer& model, const at::Tensor& x, const at::Tensor& e);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_DIFFUSION_TRANSFORMER_H_
