#include "training/evaluation/retention_cost.h"

#include <gtest/gtest.h>

namespace videodiffcr::training {
namespace {

// Two blocks of width 4, feed-forward 8, 2 rows of text; chunks of 10 tokens, and a window of two chunks.
ModelConfig SmallConfig() {
  ModelConfig config;
  TransformerConfig& transformer = config.transformer;
  transformer.dim = 4;
  transformer.ffn_dim = 8;
  transformer.text_len = 2;
  transformer.num_layers = 2;
  transformer.patch_height = transformer.patch_width = 1;
  transformer.latent_height = 2;
  transformer.latent_width = 5;
  transformer.chunk_frames = 1;
  transformer.window_frames = 2;
  return config;
}

// Per token: 4 d^2 of self-attention, 2 d^2 + 2 text d across, 2 d ffn: 64 + 32 + 16 + 64 = 176; per key 2 d = 8.
constexpr double kLinear = 176, kPerKey = 8;

TEST(RetentionCostTest, CountsRowsOfTheDenoisingPassesAndWithTheContextPass) {
  const RetentionTable table = {7, {{4, 10, 7}, {6, 8, 7}}};
  const RetentionCost cost = CostOfTable(SmallConfig(), table, 1);
  EXPECT_DOUBLE_EQ(cost.executed, (0.4 + 1.0 + 0.6 + 0.8) / 4);
  EXPECT_DOUBLE_EQ(cost.executed_with_context, (0.4 + 1.0 + 1.0 + 0.6 + 0.8 + 1.0) / 6);  // a dense context pass
}

TEST(RetentionCostTest, CountsARoutedContextPassByItsOwnColumn) {
  ModelConfig config = SmallConfig();
  config.retention.context_mode = ContextMode::kRoutedFullKv;
  const RetentionCost cost = CostOfTable(config, {7, {{4, 10, 7}, {6, 8, 5}}}, 1);
  EXPECT_DOUBLE_EQ(cost.executed_with_context, (0.4 + 1.0 + 0.7 + 0.6 + 0.8 + 0.5) / 6);
}

TEST(RetentionCostTest, CountsMultiplyAddsOverTheChunksOfTheVideo) {
  // Dense, two passes and the context pass, two blocks; chunk 0 sees its 10 keys, later ones 20.
  const double first = 10 * (kLinear + kPerKey * 10), later = 10 * (kLinear + kPerKey * 20);
  const RetentionTable dense = DenseRetentionTable(2, 2);
  const RetentionCost one = CostOfTable(SmallConfig(), dense, 1);
  EXPECT_DOUBLE_EQ(one.multiply_adds, 2 * 2 * first);
  EXPECT_DOUBLE_EQ(one.multiply_adds_with_context, 3 * 2 * first);
  const RetentionCost three = CostOfTable(SmallConfig(), dense, 3);
  EXPECT_DOUBLE_EQ(three.multiply_adds_with_context, 3 * 2 * (first + 2 * later) / 3);
}

TEST(RetentionCostTest, CountsTheKeysThatTheCacheHasKept) {
  ModelConfig config = SmallConfig();
  config.transformer.window_frames = 4;
  config.transformer.sink_frames = 1;
  config.retention.cache = {CacheScore::kRandom, {{10, {50, 100}}}};
  // Chunk 2 sees the sink's 10 keys, 5 or all of the chunk before it, and its own 10.
  const double halved = 10 * (kLinear + kPerKey * 25), whole = 10 * (kLinear + kPerKey * 30);
  const double before =
      2 * 2 * 2 * 10 * (kLinear + kPerKey * 15);  // chunks 0 and 1, which see 10 and 20: no key has gone yet
  EXPECT_DOUBLE_EQ(CostOfTable(config, DenseRetentionTable(2, 2), 3).multiply_adds,
                   (before + 2 * (halved + whole)) / 3);
}

TEST(RetentionCostTest, CountsKeptRowsAgainstKeptKeys) {
  // Half the rows of the one denoising pass of each block: 5 rows that see 5 keys.
  const RetentionCost cost = CostOfTable(SmallConfig(), {5, {{5, 5}, {5, 5}}}, 1);
  EXPECT_DOUBLE_EQ(cost.multiply_adds, 2 * 5 * (kLinear + kPerKey * 5));
  EXPECT_DOUBLE_EQ(cost.multiply_adds_with_context, cost.multiply_adds + 2 * 10 * (kLinear + kPerKey * 10));
}

TEST(RetentionCostTest, CountsTheLightBypassOfTokensThatABlockDoesNotKeep) {
  ModelConfig config = SmallConfig(), with_bypass = config;
  with_bypass.retention.bypass_rank = 3;
  const double each = 2.0 * 3 * static_cast<double>(config.transformer.dim);
  const RetentionTable table = {5, {{4, 10, 7}, {6, 8, 5}}};
  const RetentionCost without = CostOfTable(config, table, 3), with = CostOfTable(with_bypass, table, 3);
  EXPECT_DOUBLE_EQ(with.multiply_adds, without.multiply_adds + each * (6 + 0 + 4 + 2));
  EXPECT_DOUBLE_EQ(with.multiply_adds_with_context, without.multiply_adds_with_context + each * 12)
      << "a dense context pass";
  EXPECT_DOUBLE_EQ(with.executed, without.executed);
  config.retention.context_mode = with_bypass.retention.context_mode = ContextMode::kRoutedFullKv;
  EXPECT_DOUBLE_EQ(CostOfTable(with_bypass, table, 3).multiply_adds_with_context,
                   CostOfTable(config, table, 3).multiply_adds_with_context + each * (6 + 0 + 4 + 2 + 3 + 5));
}

// Students without a table: any number of rows, also between tenths.
TEST(RetentionCostTest, CountsRowsOfPassesAsTheTableThatKeepsThem) {
  const RetentionTable table = {7, {{4, 10, 10}, {6, 8, 10}}};
  const RetentionCost by_table = CostOfTable(SmallConfig(), table, 3);
  const RetentionCost by_rows = CostOfRows(SmallConfig(), {{4, 10, 10}, {6, 8, 10}}, 3);
  EXPECT_DOUBLE_EQ(by_rows.executed, by_table.executed);
  EXPECT_DOUBLE_EQ(by_rows.executed_with_context, by_table.executed_with_context);
  EXPECT_DOUBLE_EQ(by_rows.multiply_adds, by_table.multiply_adds);
  EXPECT_DOUBLE_EQ(by_rows.multiply_adds_with_context, by_table.multiply_adds_with_context);
}

}  // namespace
}  // namespace videodiffcr::training
