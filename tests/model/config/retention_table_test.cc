// Arithmetic of budgets against the printed tables of videodiffcr.md.
#include "model/config/retention_table.h"

#include <cmath>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

const std::vector<int> kStepDeltas = {-3, -1, 1, 3};
constexpr int64_t kPaperTokens = 4680;
constexpr BlockCostShape kPaperShape = {1536, 8960, 512};

std::vector<int> Alternating(int first, int second) {
  std::vector<int> layers;
  for (int i = 0; i < 30; ++i) layers.push_back(i % 2 == 0 ? first : second);
  return layers;
}

RetentionTable PaperTable(const std::vector<int>& layers, bool with_delta) {
  return MakeRetentionTable(7, layers, with_delta ? kStepDeltas : std::vector<int>{0, 0, 0, 0});
}

TEST(RetentionTable, Acceptance4KeptRowsAre468PerTenthAtThePapersChunk) {
  for (int tenths = 1; tenths <= 10; ++tenths) EXPECT_EQ(KeptRows(tenths, kPaperTokens), 468 * tenths);
}

TEST(RetentionTable, KeptRowsRoundHalfUpAndNeverReachZero) {
  EXPECT_EQ(KeptRows(5, 45), 23);  // 22.5
  EXPECT_EQ(KeptRows(3, 18), 5);   // 5.4
  EXPECT_EQ(KeptRows(1, 3), 1);    // 0.3
  EXPECT_EQ(KeptRows(10, 7), 7);
}

TEST(RetentionTable, NearestTenthsRoundsHalfUp) {
  EXPECT_EQ(NearestTenths(0.84), 8);
  EXPECT_EQ(NearestTenths(0.85), 9);
  EXPECT_EQ(NearestTenths(1.0), 10);
}

// Section 6, first table: one layer's bins and their mean.
TEST(RetentionTable, Acceptance6BinsOfOneLayerAreThoseOfSection6) {
  const struct {
    int layer;
    std::vector<int> bins;
    double mean;
  } rows[] = {{10, {7, 9, 10, 10}, 0.900}, {9, {6, 8, 10, 10}, 0.850}, {8, {5, 7, 9, 10}, 0.775},
              {7, {4, 6, 8, 10}, 0.700},   {6, {3, 5, 7, 9}, 0.600},   {5, {2, 4, 6, 8}, 0.500},
              {4, {1, 3, 5, 7}, 0.400},    {3, {1, 2, 4, 6}, 0.325}};
  for (const auto& row : rows) {
    const RetentionTable table = MakeRetentionTable(row.layer, {row.layer}, kStepDeltas);
    EXPECT_EQ(std::vector<int>(table.tenths[0].begin(), table.tenths[0].begin() + 4), row.bins);
    EXPECT_EQ(table.tenths[0][4], row.layer);
    EXPECT_NEAR(ExecutedRetention(table, kPaperTokens), row.mean, 1e-12);
  }
}

// Section 6, second table.
TEST(RetentionTable, Acceptance6ExecutedMeansArePatternByPatternThoseOfSection6) {
  std::vector<int> thirds;
  for (int i = 0; i < 30; ++i) thirds.push_back(i % 3 == 0 ? 10 : i % 3 == 1 ? 8 : 6);
  const struct {
    std::vector<int> layers;
    double executed;
  } rows[] = {{Alternating(10, 8), 0.8375}, {Alternating(9, 9), 0.850}, {Alternating(8, 8), 0.775},
              {Alternating(9, 7), 0.775},   {thirds, 0.7583},           {Alternating(7, 7), 0.700},
              {Alternating(8, 6), 0.6875},  {Alternating(10, 4), 0.650}};
  for (const auto& row : rows) {
    EXPECT_NEAR(ExecutedRetention(PaperTable(row.layers, true), kPaperTokens), row.executed, 5e-5);
  }
}

double Speedup(const RetentionTable& table, KvMode kv_mode, ContextMode context_mode) {
  const RetentionTable dense = DenseRetentionTable(30, 4);
  double dense_macs = 0, macs = 0;
  for (int64_t chunk = 0; chunk < 7; ++chunk) {
    dense_macs += ChunkMacs(kPaperShape, dense, kPaperTokens, chunk * kPaperTokens, kv_mode, context_mode);
    macs += ChunkMacs(kPaperShape, table, kPaperTokens, chunk * kPaperTokens, kv_mode, context_mode);
  }
  return dense_macs / macs;
}

// Section 4.3: every row, modes A, B, D, E.
TEST(RetentionTable, Acceptance6SpeedupsAreThoseOfSection43) {
  const struct {
    std::vector<int> layers;
    bool with_delta;
    double a, b, d, e;
  } rows[] = {{Alternating(10, 8), true, 1.17, 1.14, 1.19, 1.17}, {Alternating(10, 8), false, 1.10, 1.08, 1.12, 1.11},
              {Alternating(8, 8), true, 1.24, 1.21, 1.31, 1.27},  {Alternating(8, 8), false, 1.22, 1.18, 1.28, 1.24},
              {Alternating(7, 7), true, 1.35, 1.30, 1.46, 1.40},  {Alternating(7, 7), false, 1.36, 1.30, 1.47, 1.40},
              {Alternating(8, 6), true, 1.37, 1.31, 1.48, 1.42}};
  for (const auto& row : rows) {
    const RetentionTable table = PaperTable(row.layers, row.with_delta);
    EXPECT_NEAR(Speedup(table, KvMode::kKept, ContextMode::kDense), row.a, 0.0051);
    EXPECT_NEAR(Speedup(table, KvMode::kFull, ContextMode::kDense), row.b, 0.0051);
    EXPECT_NEAR(Speedup(table, KvMode::kKept, ContextMode::kRoutedFullKv), row.d, 0.0051);
    EXPECT_NEAR(Speedup(table, KvMode::kFull, ContextMode::kRoutedFullKv), row.e, 0.0051);
  }
}

TEST(RetentionTable, DenseClipCosts141TeraFlopPerChunkOnAverage) {
  double macs = 0;
  for (int64_t chunk = 0; chunk < 7; ++chunk) {
    macs += ChunkMacs(kPaperShape, DenseRetentionTable(30, 4), kPaperTokens, chunk * kPaperTokens, KvMode::kKept,
                      ContextMode::kDense);
  }
  EXPECT_NEAR(2 * macs / 7 / 1e12, 141, 0.5);
}

TEST(RetentionTable, FloorHoldsInEveryStep) {
  const RetentionTable table = MakeRetentionTable(7, {5, 7}, kStepDeltas, 4);
  EXPECT_EQ(table.tenths[0], (std::vector<int>{4, 4, 6, 8, 5}));
  EXPECT_EQ(table.tenths[1], (std::vector<int>{4, 6, 8, 10, 7}));
}

}  // namespace
}  // namespace videodiffcr
