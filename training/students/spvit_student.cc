#include "training/students/spvit_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/plain/transformer/layers.h"
#include "training/model/network_copy.h"
#include "training/run/random_tensor.h"
#include "training/students/dense_observation.h"
#include "training/students/pruned_network.h"
#include "training/students/token_pass.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kFitUpdates = 240;
constexpr double kFitLearningRate = 3e-3;

// What a stage dropped.
struct Package {
  at::Tensor tokens;   // int64 [B, n]: which
  at::Tensor dropped;  // [B, n, D], as they were
  at::Tensor entered;  // [B, 1, D]
};

// Where a pass is: rows are the tokens left, ascending, then a row per package.
struct Progress {
  at::Tensor x;        // [B, rows, D]
  at::Tensor tokens;   // int64 [B, left]
  TokenPlaces places;  // [B, rows]
  at::Tensor through;  // [B, rows, 1], 0 with a gradient to the chances to be kept; undefined: none
  std::vector<Package> packages;
};

at::Tensor FirstRows(const at::Tensor& x, int64_t rows) { return x.narrow(1, 0, rows); }

// `rows` of x [B, left + packages, ...], then `added`, then the packages there are.
at::Tensor Replace(const at::Tensor& x, int64_t left, const at::Tensor& rows, const at::Tensor& added) {
  return at::cat({TakeTokens(FirstRows(x, left), rows), added, x.narrow(1, left, x.size(1) - left)}, 1);
}

class SpvitNetwork final : public PrunedNetwork {
 public:
  SpvitNetwork(const TrainingModel& model, DiffusionTransformer network, const SpvitStages& stages,
               std::array<SpvitSelector, kSpvitStages> selectors, std::optional<StepRandom> random)
      : PrunedNetwork(model, std::move(network)),
        stages_(stages),
        selectors_(std::move(selectors)),
        random_(std::move(random)) {}

 private:
  at::Tensor Predict(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) override {
    const TokenPass pass(network(), latents, timestep(step), state);
    const TokenPlaces grid = GridPlaces(network().config, latents.device());
    const int64_t batch = latents.size(0);
    Progress now;
    const at::Tensor grid_x = now.x = Patchify(network(), latents);
    const auto all = [batch](const at::Tensor& place) { return place.expand({batch, -1}); };
    now.places = {all(grid.frame), all(grid.row), all(grid.column)};
    RotaryTable rotary = pass.grid();
    for (size_t block = 0; block < network().weights.blocks.size(); ++block) {
      for (size_t stage = 0; stage < kSpvitStages; ++stage) {
        if (stages_.before_block[stage] != block) continue;
        Drop(stage, kind, &now);
        rotary = pass.RotaryOf(now.places);
      }
      const at::Tensor y = pass.Run(block, now.x, rotary);
      now.x = now.through.defined() ? y + now.through * (y - now.x) : y;
    }
    return RunHead(network(), Restore(now, grid_x), pass.time());
  }

  void Drop(size_t stage, PassKind kind, Progress* now) {
    const int64_t left = now->packages.empty() ? now->x.size(1) : now->tokens.size(1);
    const at::Tensor candidates = FirstRows(now->x, left);
    const SpvitChances chances =
        ChancesOf(selectors_[stage], network().config.num_heads, network().config.eps, candidates);
    const at::Tensor order =
        std::get<1>(at::sort(Scores(chances, kind), /*stable=*/true, /*dim=*/-1, /*descending=*/true));
    const auto ascending = [](const at::Tensor& rows) { return std::get<0>(rows.sort(1)); };
    const at::Tensor kept = ascending(FirstRows(order, stages_.kept[stage]));
    const at::Tensor dropped = ascending(order.narrow(1, stages_.kept[stage], left - stages_.kept[stage]));

    const at::Tensor chance = chances.kept.exp();  // [B, left]
    const at::Tensor share = TakeTokens(chance, dropped);
    const at::Tensor weight = (share / (share.sum(1, /*keepdim=*/true) + 1e-6)).unsqueeze(-1);  // [B, n, 1]
    const at::Tensor parts = TakeTokens(candidates, dropped);
    const at::Tensor package = (parts.to(at::kFloat) * weight).sum(1, /*keepdim=*/true).to(parts.scalar_type());
    const auto place = [&](const at::Tensor& of_rows) {
      const at::Tensor mean =
          (TakeTokens(FirstRows(of_rows, left), dropped) * weight.detach().squeeze(-1)).sum(1, true);
      return Replace(of_rows, left, kept, mean);
    };
    now->places = {place(now->places.frame), place(now->places.row), place(now->places.column)};
    if (kind == PassKind::kTrained) {
      const at::Tensor zero = (chance - chance.detach()).unsqueeze(-1).to(parts.scalar_type());  // [B, left, 1]
      const at::Tensor none = at::zeros_like(zero.narrow(1, 0, 1)).detach();
      if (!now->through.defined()) now->through = at::zeros_like(zero).detach();
      const at::Tensor sum =
          at::cat({FirstRows(now->through, left) + zero, now->through.narrow(1, left, now->through.size(1) - left)}, 1);
      now->through = Replace(sum, left, kept, none);
    }
    now->x = Replace(now->x, left, kept, package);
    const bool first = now->packages.empty();
    const at::Tensor which = first ? dropped : TakeTokens(now->tokens, dropped);
    now->tokens = first ? kept : TakeTokens(now->tokens, kept);
    now->packages.insert(now->packages.begin(), Package{which, parts, package});  // newest first, as the rows
  }

  // What decides: the logarithm of the odds to be kept, while training with Gumbel draws on both sides.
  at::Tensor Scores(const SpvitChances& chances, PassKind kind) {
    const at::Tensor odds = (chances.kept - chances.dropped).detach();
    if (kind != PassKind::kTrained || !random_) return odds;
    const at::Tensor u = random_->Uniform(odds.sizes()).clamp(1e-6, 1 - 1e-6);
    return odds + u.log() - (1 - u).log();
  }

  // All N tokens again; `grid` [B, N, D] gives their places.
  static at::Tensor Restore(const Progress& now, const at::Tensor& grid) {
    const int64_t left = now.tokens.size(1);
    std::vector<at::Tensor> rows = {FirstRows(now.x, left)}, which = {now.tokens};
    for (size_t i = 0; i < now.packages.size(); ++i) {
      const Package& package = now.packages[i];
      rows.push_back(package.dropped + (now.x.narrow(1, left + static_cast<int64_t>(i), 1) - package.entered));
      which.push_back(package.tokens);
    }
    const at::Tensor all = at::cat(rows, 1), tokens = at::cat(which, 1);
    return grid.scatter(1, tokens.unsqueeze(-1).expand_as(all), all);
  }

  const SpvitStages stages_;
  const std::array<SpvitSelector, kSpvitStages> selectors_;
  std::optional<StepRandom> random_;
};

void AddLinear(const std::string& name, int64_t out, int64_t in, LinearWeights* linear, std::vector<WeightRow>* rows) {
  rows->push_back({name + ".weight", {out, in}, &linear->weight});
  rows->push_back({name + ".bias", {out}, &linear->bias});
}

}  // namespace

absl::StatusOr<SpvitStages> SpvitStagesOf(double target, size_t layers, int64_t tokens) {
  SpvitStages stages;
  stages.before_block = {layers / 3, 2 * layers / 3};
  const double first = static_cast<double>(stages.before_block[0]);
  const double second = static_cast<double>(stages.before_block[1]) - first;
  const double third = static_cast<double>(layers) - first - second;
  const double all = static_cast<double>(tokens);
  // Rows of all blocks at the keep share q, packages included.
  const auto rows = [&](double q) { return first * all + second * (q * all + 1) + third * (q * q * all + 2); };
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (rows(middle) < target * static_cast<double>(layers) * all ? low : high) = middle;
  }
  stages.kept = {std::llround(low * all), std::llround(low * low * all)};
  if (layers >= 3 && stages.kept[1] >= 1 && stages.kept[0] > stages.kept[1] && stages.kept[0] < tokens) return stages;
  return absl::InvalidArgumentError(
      absl::StrCat("--target ", target, ": spvit's two stages in ", layers, " blocks cannot keep that"));
}

SpvitChances ChancesOf(const SpvitSelector& selector, int64_t heads, double eps, const at::Tensor& x) {
  const at::Tensor h = LayerNorm(x, eps).to(at::kFloat).unflatten(-1, {heads, -1});  // [B, L, heads, d]
  const at::Tensor features = GeluTanh(Linear(h, selector.features));
  const int64_t half = h.size(-1) / 2;
  const at::Tensor local = features.narrow(3, 0, half);
  const at::Tensor global = features.narrow(3, half, half).mean(1, /*keepdim=*/true).expand_as(local);
  const at::Tensor logits = Linear(GeluTanh(Linear(at::cat({local, global}, -1), selector.hidden)), selector.decision);
  const at::Tensor attention = at::sigmoid(Linear(h.mean(-1), selector.heads)).unsqueeze(-1);      // [B, L, heads, 1]
  const at::Tensor chances = (logits.softmax(-1) * attention).sum(2) / (attention.sum(2) + 1e-6);  // [B, L, 2]
  const at::Tensor logarithms = chances.clamp_min(1e-6).log();
  return {logarithms.select(-1, 0), logarithms.select(-1, 1)};
}

absl::StatusOr<std::unique_ptr<SpvitStudent>> SpvitStudent::Make(const BaselineOptions& options, TrainingModel& model) {
  const absl::StatusOr<SpvitStages> stages = SpvitStagesOf(options.target, model.transformer.weights.blocks.size(),
                                                           model.config.transformer.tokens_per_chunk());
  if (!stages.ok()) return stages.status();
  return std::unique_ptr<SpvitStudent>(new SpvitStudent(options, *stages, model));
}

std::vector<WeightRow> SpvitStudent::OwnRows() {
  const TransformerConfig& config = model().config.transformer;
  const int64_t width = config.head_dim();
  std::vector<WeightRow> rows;
  for (size_t stage = 0; stage < kSpvitStages; ++stage) {
    SpvitSelector& selector = selectors_[stage];
    const std::string name = absl::StrCat("stages.", stage, ".");
    AddLinear(name + "features", width, width, &selector.features, &rows);
    AddLinear(name + "hidden", width / 2, 2 * (width / 2), &selector.hidden, &rows);
    AddLinear(name + "decision", 2, width / 2, &selector.decision, &rows);
    AddLinear(name + "heads", config.num_heads, config.num_heads, &selector.heads, &rows);
  }
  return rows;
}

absl::Status SpvitStudent::Initialize(uint64_t seed) {
  uint64_t index = 0;
  for (const WeightRow& row : OwnRows()) {
    if (absl::EndsWith(row.name, ".bias")) {
      FillConstantWeight(row, 0, model().device);
    } else {
      FillNormalWeight(row, 1 / std::sqrt(static_cast<double>(row.shape[1])), seed, index++, model().device);
    }
  }
  return FitSelectors(seed);
}

absl::Status SpvitStudent::FitSelectors(uint64_t seed) {
  std::vector<ResidualStream> passes;
  const auto keep = [&passes](const ResidualStream& stream) { passes.push_back(stream); };
  if (absl::Status observed = ObserveDenseRollouts(model(), seed, keep); !observed.ok()) return observed;
  const c10::AutoGradMode gradients(true);  // wherever it is called
  AdamW optimizer(OwnRows(), {});
  const TransformerConfig& config = model().config.transformer;
  for (int64_t update = 0; update < kFitUpdates; ++update) {
    const ResidualStream& stream = passes[static_cast<size_t>(update) % passes.size()];
    at::Tensor loss;
    for (size_t stage = 0; stage < kSpvitStages; ++stage) {
      const at::Tensor& entered = stream[stages_.before_block[stage]];
      const SpvitChances chances = ChancesOf(selectors_[stage], config.num_heads, config.eps, entered);
      const at::Tensor error = chances.kept - chances.dropped - StandardizedLogNorm(stream.back() - entered);
      loss = loss.defined() ? loss + error.square().mean() : error.square().mean();
    }
    loss.backward();
    const absl::StatusOr<double> norm = optimizer.Update(kFitLearningRate, update);
    if (!norm.ok()) return norm.status();
  }
  return absl::OkStatus();
}

std::unique_ptr<StudentNetwork> SpvitStudent::OpenPruned(const RolloutPurpose& purpose) const {
  return std::make_unique<SpvitNetwork>(model(), CastTransformer(model().transformer, purpose.dtype), stages_,
                                        selectors_, purpose.random);
}

PassRows SpvitStudent::PrunedRows() const {
  PassRows rows;
  for (size_t block = 0; block < layers(); ++block) {
    int64_t of_block = tokens();
    for (size_t stage = 0; stage < kSpvitStages; ++stage) {
      if (block >= stages_.before_block[stage]) of_block = stages_.kept[stage] + static_cast<int64_t>(stage) + 1;
    }
    rows.emplace_back(steps(), of_block);
  }
  return rows;
}

}  // namespace videodiffcr::training
