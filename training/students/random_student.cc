#include "training/students/random_student.h"

#include <ATen/ops/zeros.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/model/network_copy.h"
#include "training/students/learned_ratios.h"
#include "training/students/routed_network.h"
#include "training/students/videodiffcr_options.h"

namespace videodiffcr::training {

std::vector<WeightRow> RandomStudent::StoredRows() {
  return {{"tenths", {static_cast<int64_t>(layers()), static_cast<int64_t>(steps())}, &tenths_}};
}

absl::Status RandomStudent::Initialize(uint64_t) {
  const RetentionConfig& retention = model().config.retention;
  if (retention.step_delta_tenths.size() != steps()) {
    return absl::FailedPreconditionError("config.json: retention.step_delta_tenths: none; they make the table");
  }
  if (absl::Status deltas = CheckDeltas(options().deltas, retention); !deltas.ok()) return deltas;
  const RatioRule rule = RatioRuleOf(options().deltas, retention);
  const auto [even, odd] = AlternatingTenths(options().target, rule);
  std::vector<int> ratios;
  for (size_t layer = 0; layer < layers(); ++layer) ratios.push_back(layer % 2 == 0 ? even : odd);
  table_ = MakeRetentionTable(budget(), ratios, rule.step_delta_tenths, rule.floor_tenths);
  tenths_ = at::zeros(StoredRows()[0].shape, at::TensorOptions(at::kFloat));
  for (size_t layer = 0; layer < layers(); ++layer) {
    table_.tenths[layer].back() = kDenseTenths;
    for (size_t step = 0; step < steps(); ++step) {
      tenths_[static_cast<int64_t>(layer)][static_cast<int64_t>(step)].fill_(table_.tenths[layer][step]);
    }
  }
  return absl::OkStatus();
}

absl::Status RandomStudent::Opened(const std::string& path) {
  const at::Tensor tenths = tenths_.cpu().contiguous();
  const auto values = tenths.accessor<float, 2>();
  table_ = {budget(), {}};
  for (int64_t layer = 0; layer < values.size(0); ++layer) {
    std::vector<int>& row = table_.tenths.emplace_back();
    for (int64_t step = 0; step < values.size(1); ++step) {
      const float value = values[layer][step];
      if (!(value >= 1 && value <= kDenseTenths && value == std::floor(value))) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": tensor tenths holds ", value, "; must be whole numbers from 1 to 10"));
      }
      row.push_back(static_cast<int>(value));
    }
    row.push_back(kDenseTenths);
  }
  return absl::OkStatus();
}

std::unique_ptr<StudentNetwork> RandomStudent::OpenPruned(const RolloutPurpose& purpose) const {
  TokenScorer scorer = purpose.scorer;
  if (!scorer) {
    const auto random = std::make_shared<StepRandom>(purpose.random.value_or(StepRandom(0, 0, model().device)));
    scorer = [random](const BlockWeights&, const BlockContext&, const at::Tensor& x) {
      return random->Uniform({x.size(0), x.size(1)});
    };
  }
  RoutedPasses passes =
      RoutedNetwork::PassesOf(model(), CastTransformer(model().transformer, purpose.dtype), table_, scorer);
  passes.rule.gate = RouterGate::kNone;
  passes.context_mode = ContextMode::kDense;
  return std::make_unique<RoutedNetwork>(std::move(passes));
}

PassRows RandomStudent::PrunedRows() const {
  PassRows rows;
  for (const std::vector<int>& block : table_.tenths) {
    std::vector<int64_t>& of_block = rows.emplace_back();
    for (size_t step = 0; step < steps(); ++step) of_block.push_back(KeptRows(block[step], tokens()));
  }
  return rows;
}

}  // namespace videodiffcr::training
