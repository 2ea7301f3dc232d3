#include "training/stages/new_retention.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "model/config/retention_tables_json.h"
#include "system/regular_file.h"
#include "training/stages/sensitivity_stage.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kMaxTableFileBytes = 4 << 20;  // as a config.json

// -3, -1, 1, 3 of four steps.
std::vector<int> DeltasOf(size_t steps) {
  std::vector<int> deltas;
  for (size_t step = 0; step < steps; ++step) {
    const double place = steps < 2 ? 0.5 : static_cast<double>(step) / static_cast<double>(steps - 1);
    deltas.push_back(static_cast<int>(std::lround(6 * place - 3)));
  }
  return deltas;
}

}  // namespace

RetentionConfig NewRetention(const ModelConfig& config) {
  RetentionConfig retention = config.retention;
  if (retention.file.empty()) {
    retention = {};
    retention.file = "routers.safetensors";
    retention.router_dim = std::max<int64_t>(8, config.transformer.dim / 24);
    retention.step_delta_tenths = DeltasOf(config.sampling.denoise_steps.size());
  }
  retention.gate = RouterGate::kNone;
  retention.bypass_rank = 0;  // a bypass belongs to the routers that it was trained with
  retention.tables.clear();
  return retention;
}

std::vector<RetentionTable> TablesOfLosses(const std::vector<std::vector<double>>& losses,
                                           const std::vector<double>& targets, RatioAccounting accounting,
                                           const RetentionConfig& retention) {
  const RatioRule rule = {retention.step_delta_tenths, retention.floor_tenths};
  std::vector<double> falling = targets;
  std::sort(falling.rbegin(), falling.rend());
  std::vector<RetentionTable> tables;
  const int apart = accounting == RatioAccounting::kNominal ? 1 : 2;
  for (const double target : falling) {
    const RetentionTenths name = std::clamp(NearestTenths(target + 1e-6), 1, kDenseTenths - 1);
    std::vector<std::vector<double>> near = losses;
    for (std::vector<double>& of_block : near) {
      for (size_t i = 0; i < of_block.size(); ++i) {
        const int ratio = rule.floor_tenths + static_cast<int>(i);
        if (std::abs(ratio - name) > apart) of_block[i] = std::numeric_limits<double>::infinity();
      }
    }
    tables.push_back(MakeRetentionTable(name, LeastSensitiveTenths(near, target, rule, accounting),
                                        rule.step_delta_tenths, rule.floor_tenths));
  }
  return tables;
}

absl::StatusOr<std::vector<RetentionTable>> ReadTableFile(const std::string& path, ModelConfig config) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxTableFileBytes);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat("--tables ", text.status().message()));
  absl::Status status = ParseRetentionTables(*text, &config.retention);
  if (status.ok() && config.retention.tables.empty()) status = absl::InvalidArgumentError("there is no table");
  if (status.ok()) status = config.Validate();
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("--tables ", path, ": ", status.message()));
  return config.retention.tables;
}

}  // namespace videodiffcr::training
