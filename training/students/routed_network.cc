#include "training/students/routed_network.h"

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include <memory>
#include <utility>

#include "training/model/recomputed_block.h"

namespace videodiffcr::training {

RoutedPasses RoutedNetwork::PassesOf(const TrainingModel& model, DiffusionTransformer network, RetentionTable table,
                                     const TokenScorer& scorer) {
  const RetentionConfig& retention = model.config.retention;
  RoutedPasses passes;
  passes.network = std::move(network);
  passes.schedule = model.schedule;
  passes.rule = {retention.gate, retention.kv_mode, retention.frame_floor, scorer, {}};
  passes.context_mode = retention.context_mode;
  passes.table = std::move(table);
  passes.recompute = model.recompute_blocks;
  return passes;
}

ServedNetwork RoutedNetwork::AsServed() const {
  ServedNetwork served;
  served.config = passes_.network.config;
  served.retention.gate = passes_.rule.gate;
  served.retention.kv_mode = passes_.rule.kv_mode;
  served.retention.frame_floor = passes_.rule.frame_floor;
  served.retention.context_mode = passes_.context_mode;
  if (!passes_.table.tenths.empty()) served.retention.tables = {passes_.table};
  for (const BlockWeights& block : passes_.network.weights.blocks) {
    if (block.router) served.retention.router_dim = block.router->down.weight.size(0);
    if (block.bypass) served.retention.bypass_rank = block.bypass->down.size(0);
  }
  served.schedule = passes_.schedule;
  served.weights = passes_.network.weights;
  return served;
}

at::Tensor UpdateNormScores(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
  return (DenseBlock(weights, context, x).x - x).norm(2, {-1}).to(at::kFloat);
}

TextKeys RoutedNetwork::MakeText(const at::Tensor& hidden) {
  if (passes_.on_kernels && RoutersAloneChoose()) {
    served_ = nullptr;  // before the new one takes as much memory
    absl::StatusOr<std::unique_ptr<ServedPasses>> served = MakeServedPasses(AsServed(), hidden);
    TORCH_CHECK(served.ok(), served.status().ToString());
    served_ = *std::move(served);
  }
  return MakeTextKeys(passes_.network, hidden);
}

// What came before carries no gradients.
at::Tensor RoutedNetwork::Enter(const at::Tensor& latents) const {
  return latents.detach().to(passes_.network.weights.head.weight.scalar_type());
}

RoutedPass RoutedNetwork::ByTable(std::vector<int> tenths) const {
  return [blocks = passes_.network.weights.blocks, tenths = std::move(tenths)](
             size_t index, const BlockContext& context, const RoutingRule& rule, const at::Tensor& x) {
    return RunBlock(blocks[index], context, rule, tenths.empty() ? kDenseTenths : tenths[index], x);
  };
}

RoutedPass RoutedNetwork::WithThePast(RoutedPass run) const {
  if (!passes_.cache_aware.any()) return run;
  // A copy of what is seen of the chunk before: backward() may call when another one has come.
  return [run = std::move(run), cache_aware = passes_.cache_aware, past = past_](
             size_t index, const BlockContext& context, const RoutingRule& rule, const at::Tensor& x) {
    return run(index, context, CacheAwareRule(cache_aware, index, past[index], rule), x);
  };
}

BlockRunner RoutedNetwork::RunnerOf(size_t step, PassKind kind) const {
  RoutedPass run = passes_.runner ? passes_.runner(step, kind) : RoutedPass();
  const bool recompute = passes_.recompute && kind == PassKind::kTrained;
  if (!run && !recompute && !passes_.cache_aware.any()) return {};
  if (!run) run = ByTable(TenthsOfPass(passes_.table, step));
  run = WithThePast(std::move(run));
  if (!recompute) {
    return [run, this](size_t index, const BlockContext& context, const at::Tensor& x) {
      return run(index, context, passes_.rule, x);
    };
  }
  const std::vector<at::Tensor> learned = {passes_.cache_aware.past_mix, passes_.learned};
  // Its keys are of no use: a pass that carries gradients leaves none in the cache.
  return [shared = std::make_shared<const RoutedPass>(std::move(run)), learned, this](
             size_t index, const BlockContext& context, const at::Tensor& x) -> BlockOutput {
    const BlockPass pass = [shared, index](const BlockContext& of_block, const RoutingRule& rule,
                                           const at::Tensor& rows) { return (*shared)(index, of_block, rule, rows).x; };
    return {
        RecomputedBlock(passes_.network.weights.blocks[index], context, passes_.rule, learned, x, pass), {}, {}, {}};
  };
}

BlockRunner RoutedNetwork::RememberingRunner(size_t step) const {
  return [this, step, tenths = TenthsOfPass(passes_.table, step)](size_t index, const BlockContext& context,
                                                                  const at::Tensor& x) {
    RoutingRule rule = passes_.rule;
    rule.selector = passes_.memory->Selector(step, index, context.time.size(1), rule.frame_floor);
    const int kept = tenths.empty() ? kDenseTenths : tenths[index];
    return RunBlock(passes_.network.weights.blocks[index], context, rule, kept, x);
  };
}

at::Tensor RoutedNetwork::Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) {
  if (served_ && kind == PassKind::kServed) return served_->Flow(latents, static_cast<int64_t>(step));
  PassInput pass = MakePass(Enter(latents), passes_.schedule.timesteps[step], passes_.rule, state);
  pass.tenths = TenthsOfPass(passes_.table, step);
  pass.runner = passes_.memory && kind == PassKind::kServed ? RememberingRunner(step) : RunnerOf(step, kind);
  return RunPass(passes_.network, pass).flow.to(at::kFloat);
}

std::vector<KeysValues> RoutedNetwork::ContextKeys(const at::Tensor& latents, const RolloutState& state) {
  if (served_) return served_->ContextKeys(latents);
  PassInput pass = MakeContextPass(Enter(latents), passes_.rule, passes_.context_mode, passes_.table, state);
  const bool looks = passes_.memory && passes_.memory->looks();
  if (looks || passes_.cache_aware.any()) {
    pass.runner = [&, looks, run = WithThePast(ByTable(pass.tenths))](size_t index, const BlockContext& context,
                                                                      const at::Tensor& x) {
      const BlockWeights& weights = passes_.network.weights.blocks[index];
      BlockOutput block = run(index, context, pass.routing, x);
      if (looks) passes_.memory->Look({static_cast<int64_t>(index), weights, context, x, block, pass.first_frame});
      if (passes_.cache_aware.past_mix.defined()) past_[index] = PastFeatures(weights, context, x);
      return block;
    };
  }
  return RunPass(passes_.network, pass).keys;
}

}  // namespace videodiffcr::training
