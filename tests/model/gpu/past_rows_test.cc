#include "model/gpu/past_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace videodiffcr::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 1560 tokens a frame, as the public model has.
TransformerConfig Config(int64_t window, int64_t sink) {
  TransformerConfig config;
  config.num_layers = 2;
  config.window_frames = window;
  config.sink_frames = sink;
  return config;
}

TEST(PastRowsTest, ASlotHoldsTheWindowInWholeTilesAndOfLessOnlyTheShare) {
  const TransformerConfig config = Config(21, 0);
  EXPECT_EQ(KeyLayout::SlotRows(config, {}), 2 * 33024);  // 32760 rows in tiles of 384
  RetentionConfig retention;
  retention.cache = {CacheScore::kRouter, {{10, {50, 25}}}};
  const KeyLayout layout(config, retention, /*slots=*/3);
  EXPECT_THAT(layout.most_past_rows, ElementsAre(6 * 2340, 6 * 1170));
  EXPECT_THAT(layout.slot_rows, ElementsAre(18816, 11904));  // 14040 + 4680 and 7020 + 4680
  EXPECT_THAT(layout.first_row, ElementsAre(0, 3 * 18816, 3 * (18816 + 11904)));
}

TEST(PastRowsTest, CountsWhatEachChunkLeftWhateverItsBudgetWas) {
  const TransformerConfig config = Config(12, 3);  // a sink of one chunk, a ring of two
  CacheRetention cache = {CacheScore::kRouter, {{10, {50, 100}}, {7, {10}}}};
  const KeptCounts counts(config, cache);
  PastRows rows(config);
  const auto join = [&](int chunk, RetentionTenths budget) {
    return rows.Join(3 * chunk, counts.ChoiceOf(FindCacheShares(cache, budget)), counts);
  };
  EXPECT_EQ(join(0, 7), 0);
  EXPECT_EQ(rows.rows(0), 4680) << "the sink stays whole";
  EXPECT_EQ(join(1, 10), 0);
  EXPECT_EQ(join(2, 7), 0);
  EXPECT_EQ(rows.rows(0), 4680 + 2340 + 468);
  EXPECT_EQ(rows.rows(1), 4680 + 4680 + 468);
  EXPECT_EQ(rows.most_rows(), 4680 + 4680 + 468);
  EXPECT_EQ(join(3, 9), (2340 + 4680) / 2) << "nothing is said of budget 9: all of it stays";
  EXPECT_EQ(rows.rows(0), 4680 + 468 + 4680);
  EXPECT_EQ(rows.all_rows(), 2 * (4680 + 468 + 4680));
  rows.Reset();
  EXPECT_EQ(rows.all_rows(), 0);
}

TEST(PastRowsTest, AChunkThatTheWindowHasNoRoomForLeavesAtOnce) {
  const TransformerConfig config = Config(6, 3);
  const CacheRetention cache = UniformCacheRetention(CacheScore::kRandom, 50, {10});
  const KeptCounts counts(config, cache);
  PastRows rows(config);
  EXPECT_TRUE(rows.HasRoom(0));
  rows.Join(0, 1, counts);
  EXPECT_FALSE(rows.HasRoom(3));
  EXPECT_EQ(rows.Join(3, 1, counts), 2340);
  EXPECT_EQ(rows.rows(1), 4680);
}

TEST(PastRowsTest, WhatCannotBeKeptByShareIsRefusedByName) {
  const CacheRetention half = UniformCacheRetention(CacheScore::kRouter, 50, {10});
  EXPECT_TRUE(CheckCacheRetention(Config(21, 0), half).ok());
  EXPECT_TRUE(CheckCacheRetention(Config(12, 3), half).ok());
  EXPECT_TRUE(CheckCacheRetention(Config(13, 1), {}).ok()) << "everything stays";
  for (const TransformerConfig& config : {Config(20, 0), Config(12, 2)}) {
    const absl::Status refused = CheckCacheRetention(config, half);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("transformer.window_frames: "));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("multiples of transformer.chunk_frames: 3"));
  }
  const absl::Status saliency = CheckCacheRetention(Config(21, 0), {CacheScore::kSaliency, half.shares});
  EXPECT_THAT(std::string(saliency.message()), HasSubstr("retention.cache.score: \"saliency\"; device 'cuda'"));
}

}  // namespace
}  // namespace videodiffcr::gpu
