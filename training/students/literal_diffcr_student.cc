#include "training/students/literal_diffcr_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/model/network_copy.h"
#include "training/run/random_tensor.h"
#include "training/run/tensor_numbers.h"
#include "training/students/interpolated_block.h"
#include "training/students/learned_ratios.h"
#include "training/students/linear_router.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {
namespace {

constexpr double kRatiosFixed = 0.8;  // of the updates
constexpr double kRatioRate = 5e-3;   // VideoDiffCR's
constexpr double kBudgetWeight = 10;  // lambda; the public code does not say it
constexpr int kFloorTenths = 1;

bool Learns(const UpdateMoment& moment) { return moment.progress() < kRatiosFixed; }

RatioRule RuleOf(size_t steps) { return {std::vector<int>(steps, 0), kFloorTenths}; }

// Of tokens as they enter the block, not normalised.
at::Tensor RawScores(const BlockWeights& weights, const BlockContext&, const at::Tensor& x) {
  return at::matmul(x.to(at::kFloat), weights.router->down.weight[0]);
}

// Also at a share of 1, where the gate stays.
BlockOutput RunRows(const BlockWeights& weights, const BlockContext& context, const RoutingRule& rule,
                    const RankedTokens& ranked, int tenths, const at::Tensor& x) {
  const at::Tensor kept = ChooseTokens(ranked, rule, LiteralRows(tenths, x.size(1)), context.time.size(1));
  return RunKeptTokens(weights, context, rule, ranked, kept, x);
}

}  // namespace

int64_t LiteralRows(int tenths, int64_t tokens) {
  const double ratio = static_cast<float>(0.1 * tenths);
  return std::min(tokens, static_cast<int64_t>(std::ceil(ratio * static_cast<double>(tokens))));
}

WeightRow LiteralDiffcrStudent::RatioRow() { return {"ratios", {static_cast<int64_t>(layers())}, &ratios_}; }

std::vector<WeightRow> LiteralDiffcrStudent::OwnRows() {
  return {{"router.weight", {static_cast<int64_t>(layers()), model().config.transformer.dim}, &router_}};
}

std::vector<ParameterGroup> LiteralDiffcrStudent::Parameters() {
  std::vector<ParameterGroup> groups = BaselineStudent::Parameters();
  groups.push_back({"ratios", {RatioRow()}, 0, /*late=*/true});  // Penalty()
  return groups;
}

std::vector<GroupRate> LiteralDiffcrStudent::Rates(const UpdateMoment& moment) const {
  std::vector<GroupRate> rates = BaselineStudent::Rates(moment);
  const double left = 1 - 0.9 * moment.progress() / kRatiosFixed;
  rates.push_back({Learns(moment) ? kRatioRate * left : 0, moment.update});
  return rates;
}

at::Tensor LiteralDiffcrStudent::Penalty(const UpdateMoment& moment, RetentionTenths) const {
  if (!Learns(moment)) return {};
  return kBudgetWeight * (ratios_.mean() - options().target).square();
}

void LiteralDiffcrStudent::AfterUpdate(const UpdateMoment&, const GradientNorms&) {
  const c10::NoGradGuard no_gradients;
  ratios_.clamp_(0.1 * kFloorTenths, 1);
}

// As a linear layer without bias is drawn, like the public code's.
absl::Status LiteralDiffcrStudent::Initialize(uint64_t seed) {
  const double bound = 1 / std::sqrt(static_cast<double>(model().config.transformer.dim));
  FillUniformWeight(OwnRows()[0], bound, seed, 0, model().device);
  FillConstantWeight(RatioRow(), 1, model().device);
  return absl::OkStatus();
}

absl::Status LiteralDiffcrStudent::Opened(const std::string& path) {
  for (const double ratio : NumbersOf(ratios_)) {
    if (!(ratio >= 0.09 && ratio <= 1.01)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ratios holds ", ratio, "; ratios are from 0.1 to 1"));
    }
  }
  return absl::OkStatus();
}

std::vector<int> LiteralDiffcrStudent::ProjectedTenths() const {
  return ProjectRatios(NumbersOf(ratios_), options().target, RuleOf(steps()), RatioAccounting::kNominal);
}

std::unique_ptr<StudentNetwork> LiteralDiffcrStudent::OpenPruned(const RolloutPurpose& purpose) const {
  DiffusionTransformer network = CastTransformer(model().transformer, purpose.dtype);
  for (size_t layer = 0; layer < layers(); ++layer) {
    network.weights.blocks[layer].router =
        AsServedRouter(router_[static_cast<int64_t>(layer)], 2, model().config.transformer.chunk_frames);
  }
  RoutedPasses passes = RoutedNetwork::PassesOf(model(), std::move(network), {}, purpose.scorer);
  passes.rule.gate = RouterGate::kSigmoid;
  passes.rule.frame_floor = 0;
  passes.context_mode = ContextMode::kDense;
  const bool learning = purpose.moment && Learns(*purpose.moment);
  if (learning) passes.learned = ratios_;
  const std::vector<double> values = NumbersOf(ratios_);
  const std::vector<int> tenths = learning ? NearestTenthsOf(values, RuleOf(steps())) : ProjectedTenths();
  passes.runner = [=, blocks = passes.network.weights.blocks, rho = ratios_](size_t, PassKind kind) -> RoutedPass {
    return [=](size_t index, const BlockContext& context, const RoutingRule& rule, const at::Tensor& x) {
      const BlockWeights& weights = blocks[index];
      RoutingRule by_router = rule;
      if (!by_router.scorer) by_router.scorer = RawScores;
      const RankedTokens ranked = RankTokens(weights, context, by_router, x);
      if (!learning || kind == PassKind::kServed) {
        return RunRows(weights, context, by_router, ranked, tenths[index], x);
      }
      const RatioBins bins = BinsOf(values[index], 0, kFloorTenths);
      return MixedBins(bins, rho[static_cast<int64_t>(index)],
                       RunRows(weights, context, by_router, ranked, bins.lower_tenths, x),
                       RunRows(weights, context, by_router, ranked, bins.upper_tenths, x));
    };
  };
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

PassRows LiteralDiffcrStudent::PrunedRows() const {
  PassRows rows;
  for (const int tenths : ProjectedTenths()) rows.emplace_back(steps(), LiteralRows(tenths, tokens()));
  return rows;
}

}  // namespace videodiffcr::training
