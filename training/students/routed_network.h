// Passes of a transformer whose blocks are dense or routed by a retention table: what is served, on the plain path.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_NETWORK_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_NETWORK_H_

#include <functional>
#include <memory>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/retention_table.h"
#include "model/rollout/served_passes.h"
#include "training/model/training_model.h"
#include "training/students/cache_aware_routers.h"
#include "training/students/student.h"
#include "training/students/token_memory.h"

namespace videodiffcr::training {

// Runs block `index` by a rule; owns what it uses, since it may be called again by backward().
using RoutedPass =
    std::function<BlockOutput(size_t index, const BlockContext& context, const RoutingRule& rule, const at::Tensor& x)>;

struct RoutedPasses {
  DiffusionTransformer network;  // in the type of the passes; routers in fp32
  StepSchedule schedule;
  RoutingRule rule;
  ContextMode context_mode = ContextMode::kDense;
  RetentionTable table;  // no rows: all dense
  // How a step's passes run their blocks. Where there is nothing, or it is empty: RunBlock(), by rule and table.
  std::function<RoutedPass(size_t step, PassKind kind)> runner;
  at::Tensor learned;      // what the runner uses beside the network's weights that carries gradients
  bool recompute = false;  // in trained passes, the blocks' activations, by backward()
  // Chooses the tokens of served passes; null: their scores alone do. Only without `runner` and without cache-aware
  // routers.
  std::shared_ptr<TokenMemory> memory;
  CacheAwareRouters cache_aware = {};  // to the rule of every block
  // Served passes on the kernels that serve, as far as routers of a server choose the tokens; not where `runner` has
  // served passes of its own.
  bool on_kernels = false;
};

// The oracle's scores, fp32 [B, tokens]: |Block(x) - x| of the dense block over features. A TokenScorer.
at::Tensor UpdateNormScores(const BlockWeights& weights, const BlockContext& context, const at::Tensor& x);

class RoutedNetwork final : public StudentNetwork {
 public:
  explicit RoutedNetwork(RoutedPasses passes)
      : passes_(std::move(passes)), past_(passes_.network.weights.blocks.size()) {}

  // Of `network`, routed and computed as `model` says, but by `scorer` when there is one.
  static RoutedPasses PassesOf(const TrainingModel& model, DiffusionTransformer network, RetentionTable table,
                               const TokenScorer& scorer);

  TextKeys MakeText(const at::Tensor& hidden) override;
  at::Tensor Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) override;
  std::vector<KeysValues> ContextKeys(const at::Tensor& latents, const RolloutState& state) override;

 private:
  at::Tensor Enter(const at::Tensor& latents) const;
  bool RoutersAloneChoose() const { return !passes_.rule.scorer && !passes_.memory && !passes_.cache_aware.any(); }
  ServedNetwork AsServed() const;
  // Blocks at these tenths; none: all dense.
  RoutedPass ByTable(std::vector<int> tenths) const;
  // The same pass with cache-aware routers, by what the chunk before has left for them.
  RoutedPass WithThePast(RoutedPass run) const;
  BlockRunner RunnerOf(size_t step, PassKind kind) const;
  BlockRunner RememberingRunner(size_t step) const;

  const RoutedPasses passes_;
  std::unique_ptr<ServedPasses> served_;  // of the text made last; null: served passes run on the plain path
  std::vector<at::Tensor> past_;          // by block: PastFeatures() of the chunk before; undefined: there is none
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_NETWORK_H_
