#include "training/students/baseline_student.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "training/model/network_copy.h"
#include "training/students/routed_network.h"

namespace videodiffcr::training {
namespace {

// Below 1 a target is never the dense budget, whatever it is rounded to.
RetentionTenths BudgetNameOf(double target) { return std::clamp(NearestTenths(target + 1e-6), 1, kDenseTenths - 1); }

}  // namespace

BaselineStudent::BaselineStudent(const BaselineOptions& options, TrainingModel& model)
    : options_(options),
      model_(model),
      budget_(BudgetNameOf(options.target)),
      rows_(TransformerWeightTable(model.config.transformer, &model.transformer.weights)) {}

std::map<std::string, std::string> BaselineStudent::settings() const {
  std::map<std::string, std::string> settings = {{"method", options_.method},
                                                 {"target", absl::StrCat(options_.target)},
                                                 {"own learning rate", absl::StrCat(options_.own_learning_rate)}};
  if (!options_.deltas.empty()) settings["step deltas"] = absl::StrJoin(options_.deltas, ",");
  return settings;
}

std::vector<ParameterGroup> BaselineStudent::Parameters() {
  std::vector<ParameterGroup> groups = {{"weights", rows_, 0.01}};
  groups.push_back({"own", OwnRows(), 0});
  return groups;
}

std::vector<GroupRate> BaselineStudent::Rates(const UpdateMoment& moment) const {
  const double own = options_.own_learning_rate * (1 - 0.8 * moment.progress());
  return {{moment.weight_rate, moment.update}, {own, moment.update}};
}

std::vector<WeightRow> BaselineStudent::AveragedRows() {
  std::vector<WeightRow> rows = rows_;
  for (WeightRow& row : OwnRows()) rows.push_back(std::move(row));
  return rows;
}

std::unique_ptr<StudentNetwork> BaselineStudent::Open(const RolloutPurpose& purpose) const {
  if (purpose.budget != kDenseTenths) return OpenPruned(purpose);
  return std::make_unique<RoutedNetwork>(
      RoutedNetwork::PassesOf(model_, CastTransformer(model_.transformer, purpose.dtype), {}, purpose.scorer));
}

PassRows BaselineStudent::RowsOf(RetentionTenths budget) const {
  PassRows rows = budget == kDenseTenths ? PassRows(layers(), std::vector<int64_t>(steps(), tokens())) : PrunedRows();
  for (std::vector<int64_t>& block : rows) block.push_back(tokens());
  return rows;
}

StudentExport BaselineStudent::Export() {
  StudentExport result;
  ModelConfig& config = result.config.emplace(model_.config);
  config.retention = {};  // routers and tables were made for another way
  std::vector<WeightRow> own = OwnRows();
  for (WeightRow& row : StoredRows()) own.push_back(std::move(row));
  result.files = {{config.transformer_file, rows_}, {kStudentFile, std::move(own), at::kFloat}};
  result.remark = absl::StrCat(options_.method, " at ", options_.target);
  return result;
}

}  // namespace videodiffcr::training
