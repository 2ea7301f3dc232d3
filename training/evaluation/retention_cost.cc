#include "training/evaluation/retention_cost.h"

#include <algorithm>

namespace videodiffcr::training {
namespace {

// The same table without denoising passes, so that only its context pass costs anything.
RetentionTable ContextPassOf(const RetentionTable& table) {
  RetentionTable context;
  context.nominal = table.nominal;
  for (const std::vector<int>& row : table.tenths) context.tenths.push_back({row.back()});
  return context;
}

// Keys that chunk `chunk` of a video sees of earlier ones, when `percent` of each but the sink stays.
int64_t PastKeys(const TransformerConfig& config, int percent, int64_t chunk) {
  const int64_t tokens = config.tokens_per_chunk();
  const int64_t whole = std::min(chunk * tokens, config.window_tokens() - tokens);
  const int64_t sink = std::min(chunk * tokens, config.sink_frames * config.tokens_per_frame());
  return sink + KeptKeys(percent, whole - sink);
}

// Tokens that a block does not keep in some pass of a chunk, in all.
int64_t BypassedTokens(const RetentionTable& table, int64_t tokens, ContextMode mode, bool with_context) {
  int64_t bypassed = 0;
  for (const std::vector<int>& row : table.tenths) {
    const size_t passes = with_context && mode != ContextMode::kDense ? row.size() : row.size() - 1;
    for (size_t pass = 0; pass < passes; ++pass) bypassed += tokens - KeptRows(row[pass], tokens);
  }
  return bypassed;
}

double ContextShare(const RetentionTable& table, int64_t tokens, ContextMode mode) {
  if (mode == ContextMode::kDense || table.tenths.empty()) return 1;
  int64_t kept = 0;
  for (const std::vector<int>& row : table.tenths) kept += KeptRows(row.back(), tokens);
  return static_cast<double>(kept) / static_cast<double>(tokens * static_cast<int64_t>(table.tenths.size()));
}

}  // namespace

RetentionCost CostOfTable(const ModelConfig& config, const RetentionTable& table, int64_t chunks) {
  const TransformerConfig& transformer = config.transformer;
  const RetentionConfig& retention = config.retention;
  const BlockCostShape shape = {transformer.dim, transformer.ffn_dim, transformer.text_len};
  const int64_t tokens = transformer.tokens_per_chunk();
  const int64_t passes = table.tenths.empty() ? 0 : static_cast<int64_t>(table.tenths.front().size()) - 1;
  RetentionCost cost;
  cost.executed = ExecutedRetention(table, tokens);
  cost.executed_with_context =
      (cost.executed * static_cast<double>(passes) + ContextShare(table, tokens, retention.context_mode)) /
      static_cast<double>(passes + 1);
  const auto of_bypass = [&](bool with_context) {
    return static_cast<double>(2 * retention.bypass_rank * transformer.dim *
                               BypassedTokens(table, tokens, retention.context_mode, with_context));
  };
  cost.multiply_adds = of_bypass(false);
  cost.multiply_adds_with_context = of_bypass(true);
  const CacheShares* shares = FindCacheShares(retention.cache, table.nominal);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (size_t block = 0; block < table.tenths.size(); ++block) {
      const RetentionTable of_block = {table.nominal, {table.tenths[block]}};
      const int64_t past = PastKeys(transformer, PercentKept(shares, static_cast<int64_t>(block)), chunk);
      const double all = ChunkMacs(shape, of_block, tokens, past, retention.kv_mode, retention.context_mode);
      const double context =
          ChunkMacs(shape, ContextPassOf(of_block), tokens, past, retention.kv_mode, retention.context_mode);
      cost.multiply_adds += (all - context) / static_cast<double>(chunks);
      cost.multiply_adds_with_context += all / static_cast<double>(chunks);
    }
  }
  return cost;
}

RetentionCost CostOfRows(const ModelConfig& config, const std::vector<std::vector<int64_t>>& rows, int64_t chunks) {
  const TransformerConfig& transformer = config.transformer;
  const BlockCostShape shape = {transformer.dim, transformer.ffn_dim, transformer.text_len};
  const int64_t tokens = transformer.tokens_per_chunk();
  RetentionCost cost = {0, 0, 0, 0};
  const double blocks = static_cast<double>(rows.size());
  for (const std::vector<int64_t>& block : rows) {
    const double passes = static_cast<double>(block.size());
    for (size_t pass = 0; pass < block.size(); ++pass) {
      const bool context = pass + 1 == block.size();
      const double share = static_cast<double>(block[pass]) / static_cast<double>(tokens);
      if (!context) cost.executed += share / (blocks * (passes - 1));
      cost.executed_with_context += share / (blocks * passes);
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const int64_t past = std::min(chunk * tokens, transformer.window_tokens() - tokens);
        const double macs = DenseBlockMacs(shape, block[pass], past) / static_cast<double>(chunks);
        if (!context) cost.multiply_adds += macs;
        cost.multiply_adds_with_context += macs;
      }
    }
  }
  return cost;
}

}  // namespace videodiffcr::training
