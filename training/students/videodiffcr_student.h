// VideoDiffCR: retention ratios per layer, temporal mixing routers with gates and the transformer, learned together
// (videodiffcr.md sections 2, 5 and 6).
//
// Every target below 1 has a ratio per layer of its own (ratio_budgets.h); routers and weights are shared, so that one
// folder serves all targets (section 9).
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
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/students/cache_aware_routers.h"
#include "training/students/ratio_budgets.h"
#include "training/students/student.h"
#include "training/students/videodiffcr_options.h"

namespace videodiffcr::training {

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
  std::vector<RetentionTenths> budgets() const override { return budgets_.names(); }
  std::vector<ParameterGroup> Parameters() override;
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const override;
  std::vector<WeightRow> AveragedRows() override;
  std::vector<WeightRow> State() override { return budgets_.State(); }
  RetentionTenths BudgetOf(const UpdateMoment& moment, RandomStream&) const override {
    return budgets_.BudgetOf(moment);
  }
  std::unique_ptr<StudentNetwork> Open(const RolloutPurpose& purpose) const override;
  at::Tensor Penalty(const UpdateMoment& moment, RetentionTenths budget) const override {
    return budgets_.Penalty(moment, budget);
  }
  void AfterUpdate(const UpdateMoment& moment, const GradientNorms& norms) override;
  StudentExport Export() override;

  // Of a target below 1: a ratio per layer, fp32, and the table they are projected to.
  const at::Tensor& ratios(RetentionTenths budget) const { return budgets_.ratios(budget); }
  RetentionTable ProjectedTable(RetentionTenths budget) const { return budgets_.ProjectedTable(budget); }

 private:
  VideodiffcrStudent(const VideodiffcrOptions& options, TrainingModel& model, RatioBudgets budgets)
      : options_(options), model_(model), budgets_(std::move(budgets)) {}

  // Routers as they are at first, and the rows of what is trained of them.
  absl::Status MakeRouters(const std::string& folder, uint64_t seed);
  // After the routers: what of the light bypass is trained.
  void MakeBypass(uint64_t seed);
  // With the gates' scale in the scores: what is served.
  DiffusionTransformer GatedNetwork(at::ScalarType dtype) const;

  const VideodiffcrOptions options_;
  TrainingModel& model_;
  RatioBudgets budgets_;
  std::vector<WeightRow> weight_rows_, router_rows_, bypass_rows_, cache_aware_rows_;
  CacheAwareRouters cache_aware_;
  at::Tensor gate_scale_;          // alpha [layers]: the gate of score s is 2 sigmoid(alpha s)
  at::Tensor linear_;              // [layers, D], the routers when they are linear
  DiffusionTransformer exported_;  // routers with their gates' scale, of an export
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_STUDENT_H_
