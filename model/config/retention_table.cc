#include "model/config/retention_table.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

std::vector<RetentionTenths> BudgetsOf(const RetentionConfig& retention) {
  std::vector<RetentionTenths> budgets = {kDenseTenths};
  for (const RetentionTable& table : retention.tables) budgets.push_back(table.nominal);
  return budgets;
}

absl::StatusOr<const RetentionTable*> FindTable(const RetentionConfig& retention, RetentionTenths budget) {
  if (budget == kDenseTenths) return nullptr;
  for (const RetentionTable& table : retention.tables) {
    if (table.nominal == budget) return &table;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("retention budget ", budget, " tenths: the model has no table for it"));
}

PassRule RuleOfPass(const RetentionConfig& retention, const RetentionTable* table, bool context_pass) {
  const bool routed = !context_pass || retention.context_mode == ContextMode::kRoutedFullKv;
  return {.tenths = table != nullptr && routed ? &table->tenths : nullptr,
          .kv_mode = context_pass ? KvMode::kFull : retention.kv_mode};
}

int64_t RowsProcessed(const RetentionTable& table, int timestep, int64_t tokens_per_chunk) {
  int64_t rows = 0;
  for (const std::vector<int>& layer : table.tenths) rows += KeptRows(layer[timestep], tokens_per_chunk);
  return rows;
}

RetentionTable MakeRetentionTable(RetentionTenths nominal, const std::vector<int>& layer_tenths,
                                  const std::vector<int>& step_delta_tenths, int floor_tenths) {
  RetentionTable table;
  table.nominal = nominal;
  table.tenths.reserve(layer_tenths.size());
  for (const int layer : layer_tenths) {
    std::vector<int> row;
    row.reserve(step_delta_tenths.size() + 1);
    for (const int delta : step_delta_tenths) row.push_back(std::clamp(layer + delta, floor_tenths, kDenseTenths));
    row.push_back(std::clamp(layer, floor_tenths, kDenseTenths));  // context pass: no delta
    table.tenths.push_back(std::move(row));
  }
  return table;
}

RetentionTable DenseRetentionTable(int64_t layers, int64_t denoise_steps) {
  RetentionTable table;
  table.nominal = kDenseTenths;
  table.tenths.assign(layers, std::vector<int>(denoise_steps + 1, kDenseTenths));
  return table;
}

std::vector<int> TenthsOfPass(const RetentionTable& table, size_t pass) {
  std::vector<int> tenths;
  tenths.reserve(table.tenths.size());
  for (const std::vector<int>& layer : table.tenths) tenths.push_back(layer[pass]);
  return tenths;
}

double ExecutedRetention(const RetentionTable& table, int64_t tokens_per_chunk) {
  int64_t processed = 0;
  int64_t dense = 0;
  for (const std::vector<int>& row : table.tenths) {
    for (size_t step = 0; step + 1 < row.size(); ++step) {
      processed += KeptRows(row[step], tokens_per_chunk);
      dense += tokens_per_chunk;
    }
  }
  return dense == 0 ? 1.0 : static_cast<double>(processed) / static_cast<double>(dense);
}

namespace {

// Multiply-adds per token of everything but self-attention scores: self q, k, v, o; cross q, o and scores;
// feed-forward.
double LinearMacsPerToken(const BlockCostShape& shape) {
  const double d = static_cast<double>(shape.dim);
  const double self_projections = 4 * d * d;
  const double cross = 2 * d * d + 2 * static_cast<double>(shape.text_len) * d;
  const double feed_forward = 2 * d * static_cast<double>(shape.ffn_dim);
  return self_projections + cross + feed_forward;
}

}  // namespace

double DenseBlockMacs(const BlockCostShape& shape, int64_t tokens, int64_t past) {
  const double per_key = 2.0 * static_cast<double>(shape.dim);
  return static_cast<double>(tokens) * (LinearMacsPerToken(shape) + per_key * static_cast<double>(past + tokens));
}

double RoutedBlockMacs(const BlockCostShape& shape, int64_t tokens, int64_t kept, int64_t past, KvMode kv_mode) {
  if (kept == tokens) return DenseBlockMacs(shape, tokens, past);
  if (kv_mode == KvMode::kKept) return DenseBlockMacs(shape, kept, past);
  const double d = static_cast<double>(shape.dim);
  const double key_value_projections = 2 * d * d;
  const double per_kept =
      LinearMacsPerToken(shape) - key_value_projections + 2 * d * static_cast<double>(past + tokens);
  return static_cast<double>(kept) * per_kept + key_value_projections * static_cast<double>(tokens);
}

double ChunkMacs(const BlockCostShape& shape, const RetentionTable& table, int64_t tokens, int64_t past, KvMode kv_mode,
                 ContextMode context_mode) {
  double macs = 0;
  for (const std::vector<int>& row : table.tenths) {
    for (size_t step = 0; step + 1 < row.size(); ++step) {
      macs += RoutedBlockMacs(shape, tokens, KeptRows(row[step], tokens), past, kv_mode);
    }
    const int context_tenths = context_mode == ContextMode::kDense ? kDenseTenths : row.back();
    macs += RoutedBlockMacs(shape, tokens, KeptRows(context_tenths, tokens), past, KvMode::kFull);
  }
  return macs;
}

}  // namespace videodiffcr
