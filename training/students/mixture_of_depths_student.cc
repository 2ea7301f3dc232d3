#include "training/students/mixture_of_depths_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/plain/transformer/layers.h"
#include "training/model/network_copy.h"
#include "training/students/linear_router.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {
namespace {

constexpr double kLeastCapacity = 0.125, kFirstGateScale = 0.05;

// x + gate (Block(x) - x) of the kept tokens.
BlockOutput GatedBlock(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule, int64_t kept,
                       const at::Tensor& x) {
  const RankedTokens ranked = RankTokens(weights, context, rule, x);
  BlockOutput block =
      RunKeptTokens(weights, context, rule, ranked, ChooseTokens(ranked, rule, kept, context.time.size(1)), x);
  const at::Tensor gate = (2 * at::sigmoid(ranked.scores)).to(x.scalar_type()).unsqueeze(-1);
  block.x = x + gate * (block.x - x);  // a bypassed token has nothing to be gated
  return block;
}

}  // namespace

std::vector<int64_t> MixtureOfDepthsRows(double target, size_t layers, int64_t tokens) {
  const auto routed = [](size_t layer, size_t period) { return period == 2 ? layer % 2 == 1 : layer % 3 != 0; };
  for (const size_t period : {size_t{2}, size_t{3}}) {
    int64_t blocks = 0;
    for (size_t layer = 0; layer < layers; ++layer) blocks += routed(layer, period) ? 1 : 0;
    const int64_t all = std::llround(target * static_cast<double>(layers) * static_cast<double>(tokens));
    const int64_t left = all - (static_cast<int64_t>(layers) - blocks) * tokens;  // for the routed ones together
    const bool last = period == 3;
    if (!last && static_cast<double>(left) < kLeastCapacity * static_cast<double>(blocks * tokens)) continue;
    std::vector<int64_t> rows;
    int64_t number = 0;
    for (size_t layer = 0; layer < layers; ++layer) {
      if (!routed(layer, period)) {
        rows.push_back(tokens);
        continue;
      }
      // Evenly, the remainder spread over them.
      rows.push_back(std::max<int64_t>(1, left * (number + 1) / blocks - left * number / blocks));
      ++number;
    }
    return rows;
  }
  return {};
}

std::vector<WeightRow> MixtureOfDepthsStudent::OwnRows() {
  return {{"router.weight", {static_cast<int64_t>(layers()), model().config.transformer.dim}, &router_}};
}

// So small that all gates are near 1; the ranking is that of the fit.
absl::Status MixtureOfDepthsStudent::Initialize(uint64_t seed) {
  const absl::StatusOr<at::Tensor> fit = FitLinearRouters(model(), seed);
  if (!fit.ok()) return fit.status();
  router_ = kFirstGateScale * *fit;
  return absl::OkStatus();
}

std::unique_ptr<StudentNetwork> MixtureOfDepthsStudent::OpenPruned(const RolloutPurpose& purpose) const {
  RoutedPasses passes =
      RoutedNetwork::PassesOf(model(), CastTransformer(model().transformer, purpose.dtype), {}, purpose.scorer);
  passes.rule.gate = RouterGate::kNone;  // of the feed-forward part alone; here all of the block's residual is gated
  passes.context_mode = ContextMode::kDense;
  passes.learned = router_;
  passes.runner = [blocks = passes.network.weights.blocks, router = router_, kept = kept_, all = tokens()](
                      size_t, PassKind) -> RoutedPass {
    return [=](size_t index, const BlockContext& context, const RoutingRule& rule, const at::Tensor& x) {
      const BlockWeights& weights = blocks[index];
      if (kept[index] == all) return DenseBlock(weights, context, x);
      RoutingRule by_router = rule;
      if (!by_router.scorer) {
        by_router.scorer = [&, index](const BlockWeights&, const BlockContext& of_pass, const at::Tensor& tokens) {
          return at::matmul(LayerNorm(tokens, of_pass.eps).to(at::kFloat), router[static_cast<int64_t>(index)]);
        };
      }
      return GatedBlock(weights, context, by_router, kept[index], x);
    };
  };
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

PassRows MixtureOfDepthsStudent::PrunedRows() const {
  PassRows rows;
  for (const int64_t kept : kept_) rows.emplace_back(steps(), kept);
  return rows;
}

}  // namespace videodiffcr::training
