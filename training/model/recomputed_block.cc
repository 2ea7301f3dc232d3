#include "training/model/recomputed_block.h"

#include <c10/core/GradMode.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "training/run/recompute.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kMostKeptBytes = int64_t{4} << 30;

// What the routing of a block chose, to be chosen again: selections and scores in the order of the calls.
class RoutingMemory {
 public:
  // The rule of the first pass.
  RoutingRule Recording(const RoutingRule& rule, int64_t frames) {
    RoutingRule recording = rule;
    recording.selector = [this, rule, frames](const at::Tensor& scores, int64_t kept_rows) {
      return kept_.emplace_back(ChooseTokens({{}, scores}, rule, kept_rows, frames));
    };
    if (rule.scorer) {
      recording.scorer = [this, rule](const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
        return scores_.emplace_back(rule.scorer(weights, context, x));
      };
    }
    return recording;
  }

  // The rule of the second, which must ask the same in the same order.
  RoutingRule Replaying(const RoutingRule& rule) {
    RoutingRule replaying = rule;
    next_kept_ = next_scores_ = 0;
    replaying.selector = [this](const at::Tensor&, int64_t) { return kept_.at(next_kept_++); };
    if (rule.scorer) {
      replaying.scorer = [this](const BlockWeights&, const BlockContext&, const at::Tensor&) {
        return scores_.at(next_scores_++);
      };
    }
    return replaying;
  }

 private:
  std::vector<at::Tensor> kept_, scores_;
  size_t next_kept_ = 0, next_scores_ = 0;
};

// A block's call with everything it needs, for as long as the graph lives.
struct HeldBlock {
  ChunkPositions positions;
  int64_t num_heads;
  double eps;
  RoutingRule rule;
  BlockPass pass;
  RoutingMemory memory;
  bool ran = false;

  static std::vector<at::Tensor> Entering(const BlockContext& context, const at::Tensor& x) {
    return {x, context.time, context.past.k, context.past.v, context.text.k, context.text.v};
  }

  at::Tensor Run(const std::vector<at::Tensor>& entering) {
    const KeysValues past = {entering[2], entering[3]}, text = {entering[4], entering[5]};
    const BlockContext context = {num_heads, eps, entering[1], past, positions, text};
    const RoutingRule own = ran ? memory.Replaying(rule) : memory.Recording(rule, context.time.size(1));
    ran = true;
    return pass(context, own, entering[0]);
  }
};

void Add(const LinearWeights& linear, std::vector<at::Tensor>& tensors) {
  tensors.push_back(linear.weight);
  tensors.push_back(linear.bias);
}

void Add(const AttentionWeights& attention, std::vector<at::Tensor>& tensors) {
  for (const LinearWeights* linear : {&attention.q, &attention.k, &attention.v, &attention.o}) Add(*linear, tensors);
  tensors.push_back(attention.norm_q);
  tensors.push_back(attention.norm_k);
}

std::vector<at::Tensor> TensorsOf(const BlockWeights& weights) {
  std::vector<at::Tensor> tensors = {weights.modulation, weights.norm3_weight, weights.norm3_bias};
  Add(weights.self_attn, tensors);
  Add(weights.cross_attn, tensors);
  Add(weights.ffn_in, tensors);
  Add(weights.ffn_out, tensors);
  if (weights.router) {
    Add(weights.router->down, tensors);
    tensors.push_back(weights.router->mix);
    tensors.push_back(weights.router->score);
  }
  if (weights.bypass) {
    tensors.push_back(weights.bypass->down);
    tensors.push_back(weights.bypass->up);
  }
  return tensors;
}

}  // namespace

at::Tensor RecomputedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                           const std::vector<at::Tensor>& learned, const at::Tensor& x, const BlockPass& pass) {
  if (!c10::GradMode::is_enabled()) return pass(context, rule, x);
  std::vector<at::Tensor> used = TensorsOf(weights);
  used.insert(used.end(), learned.begin(), learned.end());
  const auto held =
      std::make_shared<HeldBlock>(HeldBlock{context.positions, context.num_heads, context.eps, rule, pass, {}, false});
  return Recomputed([held](const std::vector<at::Tensor>& entering) { return held->Run(entering); },
                    HeldBlock::Entering(context, x), used);
}

int64_t ActivationBytes(const TransformerConfig& config, int64_t window_chunks, at::ScalarType compute_type) {
  // Rows of teacher forcing: the noisy chunks and the clean ones but the last. Of each row a block keeps what enters
  // its norms, products, rotations and attentions (some 24 rows of the model's width), and the feed-forward layer
  // before and after its activation.
  const int64_t rows = (2 * window_chunks - 1) * config.tokens_per_chunk();
  const int64_t numbers = 24 * config.dim + 2 * config.ffn_dim;
  return rows * numbers * config.num_layers * static_cast<int64_t>(c10::elementSize(compute_type));
}

void ChooseRecompute(const StageOptions& stage, int64_t window_chunks, TrainingModel* model) {
  const int64_t bytes = ActivationBytes(model->config.transformer, window_chunks, model->compute_type());
  model->recompute_blocks = stage.recompute_blocks.value_or(bytes > kMostKeptBytes);
  if (stage.exchange->rank() != 0) return;
  std::cerr << absl::StrFormat("about %.2f GiB of blocks' activations a clip are %s (--recompute-blocks)\n",
                               static_cast<double>(bytes) / static_cast<double>(int64_t{1} << 30),
                               model->recompute_blocks ? "computed again in backward" : "kept for backward");
}

}  // namespace videodiffcr::training
