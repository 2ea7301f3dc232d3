// VideoDiffCR: retention ratios per layer, temporal mixing routers with gates and the transformer, learned together
// (videodiffcr.md sections 2, 5 and 6).
//
// Every target below 1 has a ratio per layer of its own; routers and weights are shared, so that one folder serves all
// targets (section 9). Update n trains target n modulo their number, so that one named twice is trained twice as often;
// a target of 1 is the dense network.
//
// Three stages over the updates: to 5 % routers and gates alone; to 80 % everything, with two-bin interpolation where
// gradients flow; then the tables are projected and fixed, and weights and routers go on with what is served.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/students/cache_aware_routers.h"
#include "training/students/learned_ratios.h"
#include "training/students/student.h"

namespace videodiffcr::training {

enum class RouterKind {
  kTemporal,  // mixes the frames of a site
  kLinear,    // looks at a token alone (linear_router.h)
};

struct VideodiffcrOptions {
  std::vector<double> targets = {0.7};
  RatioAccounting accounting = RatioAccounting::kNominal;
  // Of layer 0, 1, ..., then again from the first one; empty: target + 0.1 and target - 0.1 in turns.
  std::vector<double> initial_ratios;
  bool model_ratios = false;   // those of the model folder's own tables, for targets that it has as budgets
  bool fresh_routers = false;  // as drawn, not the model folder's or, linear ones, fitted
  RouterKind router = RouterKind::kTemporal;
  bool step_deltas = true;  // else a block keeps the same share in every step, as DiffCR's
  // Added to a block's ratio in each denoising step, noisiest first; empty: as the model folder has it.
  std::vector<double> deltas;
  bool learn_ratios = true;  // else they stay as they are at first
  double router_learning_rate = 1e-3;
  double ratio_learning_rate = 5e-3;
  int64_t light_bypass = 0;  // rank for a model without one, trained as routers are; 0: as the model has it
  bool cache_aware = false;  // routers also see the chunk before; trained as routers are
  double budget_weight = 0;  // lambda; 0: by the size of the matching gradient on the ratios in the first stage
};

class VideodiffcrStudent final : public Student {
 public:
  // `model` outlives the student. InvalidArgument for targets or ratios that cannot be, FailedPrecondition when the
  // model of `folder` has no routers, or such with another gate than none or two_sigmoid, or no table that ratios can
  // begin as.
  static absl::StatusOr<std::unique_ptr<VideodiffcrStudent>> Make(const VideodiffcrOptions& options,
                                                                  const std::string& folder, uint64_t seed,
                                                                  TrainingModel& model);

  std::string name() const override { return "videodiffcr"; }
  std::map<std::string, std::string> settings() const override;
  std::vector<RetentionTenths> budgets() const override;
  std::vector<ParameterGroup> Parameters() override;
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const override;
  std::vector<WeightRow> AveragedRows() override;
  std::vector<WeightRow> State() override;
  RetentionTenths BudgetOf(const UpdateMoment& moment, RandomStream& random) const override;
  std::unique_ptr<StudentNetwork> Open(const RolloutPurpose& purpose) const override;
  at::Tensor Penalty(const UpdateMoment& moment, RetentionTenths budget) const override;
  void AfterUpdate(const UpdateMoment& moment, const GradientNorms& norms) override;
  StudentExport Export() override;

  // Of a target below 1: a ratio per layer, fp32, and the tenths they are projected to.
  const at::Tensor& ratios(RetentionTenths budget) const { return BudgetNamed(budget).ratios; }
  RetentionTable ProjectedTable(RetentionTenths budget) const;

 private:
  struct Budget {
    double target = 1;
    RetentionTenths name = kDenseTenths;
    at::Tensor ratios;  // [layers]; undefined for the dense one
  };

  VideodiffcrStudent(const VideodiffcrOptions& options, TrainingModel& model) : options_(options), model_(model) {}

  // Routers as they are at first, and the rows of what is trained of them.
  absl::Status MakeRouters(const std::string& folder, uint64_t seed);
  // After the routers: what of the light bypass is trained.
  void MakeBypass(uint64_t seed);
  absl::Status MakeBudgets();
  // What the ratios of `budget` are at first.
  absl::StatusOr<std::vector<double>> FirstRatios(const Budget& budget) const;
  size_t IndexOf(const UpdateMoment& moment) const;
  const Budget& BudgetNamed(RetentionTenths name) const;
  RatioRule ModelRule() const;  // of the model folder
  RatioRule rule() const;       // of what is trained
  double BudgetWeight() const;
  // With the gates' scale in the scores: what is served.
  DiffusionTransformer GatedNetwork(at::ScalarType dtype) const;

  const VideodiffcrOptions options_;
  TrainingModel& model_;
  std::vector<WeightRow> weight_rows_, router_rows_, bypass_rows_, cache_aware_rows_;
  CacheAwareRouters cache_aware_;
  at::Tensor gate_scale_;          // alpha [layers]: the gate of score s is 2 sigmoid(alpha s)
  std::vector<Budget> budgets_;    // each once
  std::vector<size_t> schedule_;   // of budgets_: what one update after another trains
  at::Tensor force_;               // [2]: sum and number of the matching gradient's norms on ratios, first stage
  at::Tensor linear_;              // [layers, D], the routers when they are linear
  DiffusionTransformer exported_;  // routers with their gates' scale, of an export
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_STUDENT_H_
