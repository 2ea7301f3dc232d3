// The budgets that VideoDiffCR learns: a retention ratio per layer for each target below 1 (videodiffcr.md sections 5
// and 6). Update n trains target n modulo their number, so that one named twice is trained twice as often; a target of
// 1 is the dense network.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_RATIO_BUDGETS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_RATIO_BUDGETS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/config/model_config.h"
#include "model/config/retention_table.h"
#include "training/students/student.h"
#include "training/students/videodiffcr_options.h"

namespace videodiffcr::training {

// Ratios that are not learned are a table from the first update of the second stage on.
enum class RatioStage { kRouters, kAll, kFixedTables };

// Its tensors stay where they are for as long as it is not moved.
class RatioBudgets {
 public:
  // For a model of `config`, with ratios on `device`. InvalidArgument for targets that cannot be, FailedPrecondition
  // when the model has no table that ratios can begin as.
  static absl::StatusOr<RatioBudgets> Make(const VideodiffcrOptions& options, const ModelConfig& config,
                                           const at::Device& device);

  RatioStage StageOf(const UpdateMoment& moment) const;
  // The first update of the second stage.
  static int64_t SecondStage(int64_t updates);

  const RatioRule& rule() const { return rule_; }
  // All, the dense one too, the largest first.
  std::vector<RetentionTenths> names() const;
  RetentionTenths BudgetOf(const UpdateMoment& moment) const { return budgets_[IndexOf(moment)].name; }
  // Of a target below 1: a ratio per layer, fp32.
  const at::Tensor& ratios(RetentionTenths name) const { return BudgetNamed(name).ratios; }
  // Of a target below 1: what is served, and the tenths that lie nearest to the ratios.
  RetentionTable ProjectedTable(RetentionTenths name) const;
  RetentionTable NearestTable(RetentionTenths name) const;

  // A group for each target below 1, and its rate.
  std::vector<ParameterGroup> Parameters();
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const;
  // What an update needs beside them.
  std::vector<WeightRow> State() { return {{"force", {2}, &force_}}; }

  // lambda (mean of the ratios - target)^2, videodiffcr.md section 5.2; undefined where nothing is to be added.
  at::Tensor Penalty(const UpdateMoment& moment, RetentionTenths name) const;
  // `norms`: those of Parameters(), in order.
  void AfterUpdate(const UpdateMoment& moment, const std::vector<double>& norms);

 private:
  struct Budget {
    double target = 1;
    RetentionTenths name = kDenseTenths;
    at::Tensor ratios;  // [layers]; undefined for the dense one
  };
  RatioBudgets(const VideodiffcrOptions& options, const RetentionConfig& retention);
  size_t IndexOf(const UpdateMoment& moment) const;
  const Budget& BudgetNamed(RetentionTenths name) const;
  // How many of the updates before `update` train budget `index`.
  int64_t UpdatesBefore(int64_t update, size_t index) const;
  double BudgetWeight(int64_t layers) const;
  RetentionTable TableOf(RetentionTenths name, const std::vector<int>& tenths) const;

  VideodiffcrOptions options_;
  RatioRule rule_;
  std::vector<Budget> budgets_;   // each once
  std::vector<size_t> schedule_;  // of budgets_: what one update after another trains
  at::Tensor force_;              // [2]: sum and number of the matching gradient's norms on ratios, first stage
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_RATIO_BUDGETS_H_
