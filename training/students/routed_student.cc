#include "training/students/routed_student.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "training/model/network_copy.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {

RoutedStudent::RoutedStudent(TrainingModel& model, double routed_share, CacheAwareRouters cache_aware)
    : model_(model),
      routed_share_(routed_share),
      cache_aware_(std::move(cache_aware)),
      rows_(TransformerWeightTable(model.config.transformer, &model.transformer.weights)) {}

std::map<std::string, std::string> RoutedStudent::settings() const {
  return {{"routed share", absl::StrCat(routed_share_)}};
}

std::vector<RetentionTenths> RoutedStudent::budgets() const {
  std::vector<RetentionTenths> budgets = {kDenseTenths};
  for (const RetentionTable& table : model_.config.retention.tables) budgets.push_back(table.nominal);
  return budgets;
}

RetentionTenths RoutedStudent::BudgetOf(const UpdateMoment&, RandomStream& random) const {
  // Nothing is drawn for a choice that there is not: the control's prompts and noise are those of students with one
  // budget (videodiffcr.md section 7).
  if (routed_share_ <= 0 || !random.Chance(routed_share_)) return kDenseTenths;
  const std::vector<RetentionTable>& tables = model_.config.retention.tables;
  return tables[static_cast<size_t>(random.Below(static_cast<int>(tables.size())))].nominal;
}

std::unique_ptr<StudentNetwork> RoutedStudent::Open(const RolloutPurpose& purpose) const {
  RetentionTable table;
  for (const RetentionTable& candidate : model_.config.retention.tables) {
    if (candidate.nominal == purpose.budget) table = candidate;
  }
  RoutedPasses passes = RoutedNetwork::PassesOf(model_, CastTransformer(model_.transformer, purpose.dtype),
                                                std::move(table), purpose.scorer);
  passes.cache_aware = cache_aware_;
  if (purpose.memory.remembers()) {
    passes.memory = std::make_shared<TokenMemory>(purpose.memory, model_.transformer.weights.blocks.size());
  }
  passes.on_kernels = purpose.on_kernels;
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

StudentExport RoutedStudent::Export() { return {{{model_.config.transformer_file, rows_}}, {}, ""}; }

}  // namespace videodiffcr::training
