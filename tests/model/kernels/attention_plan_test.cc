#include "model/kernels/attention_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace videodiffcr::kernels {
namespace {

constexpr AttentionShape kHopper = {12, 128, 192, 132};

// How often each (query row, head, key) is worked on, by (head, query row): sum of key runs and their count.
std::map<std::tuple<int, int>, int64_t> KeysByQuery(const AttentionPlan& plan) {
  std::map<std::tuple<int, int>, int64_t> keys;
  for (const AttentionItem& item : plan.items) {
    for (int row = item.query_row; row < item.query_row + item.query_rows; ++row)
      keys[{item.head, row}] += item.key_rows;
  }
  return keys;
}

// Key steps on the busiest processor, an item counted as one and a half more.
double LongestLoad(const AttentionPlan& plan, const AttentionShape& shape) {
  double longest = 0;
  for (int processor = 0; processor < shape.processors; ++processor) {
    double load = 0;
    for (int i = plan.first_item[processor]; i < plan.first_item[processor + 1]; ++i) {
      load += 1.5 + (plan.items[i].key_rows + shape.key_tile - 1) / shape.key_tile;
    }
    longest = std::max(longest, load);
  }
  return longest;
}

TEST(AttentionPlanTest, EveryQueryMeetsEveryKeyOfItsSessionOnce) {
  const std::vector<AttentionSegment> sessions = {{0, 4680, 0, 32760}, {4680, 3276, 40000, 12345}, {7956, 1, 60000, 1}};
  const AttentionPlan plan = PlanAttention(sessions, kHopper, 10000, 16384);
  const auto keys = KeysByQuery(plan);
  ASSERT_EQ(keys.size(), 12u * (4680 + 3276 + 1));
  for (const auto& [query, count] : keys) {
    const int row = std::get<1>(query);
    EXPECT_EQ(count, row < 4680 ? 32760 : row < 7956 ? 12345 : 1) << "row " << row;
  }
}

TEST(AttentionPlanTest, PartsOfACutTileFollowEachOtherWithoutGapOrOverlap) {
  const AttentionPlan plan = PlanAttention({{0, 4680, 100, 32760}}, kHopper, 5000, 16384);
  ASSERT_FALSE(plan.cut_tiles.empty());
  for (const CutTile& tile : plan.cut_tiles) {
    std::vector<std::pair<int, int>> runs;
    for (const AttentionItem& item : plan.items) {
      if (item.head == tile.head && item.query_row == tile.output_row) runs.push_back({item.key_row, item.key_rows});
    }
    ASSERT_EQ(static_cast<int>(runs.size()), tile.extras + 1);
    std::sort(runs.begin(), runs.end());
    int next = 100;
    for (const auto& [first, count] : runs) {
      EXPECT_EQ(first, next);
      next = first + count;
    }
    EXPECT_EQ(next, 100 + 32760);
  }
}

TEST(AttentionPlanTest, NoTwoPartsOfOneHeadShareResultRows) {
  const AttentionPlan plan = PlanAttention({{0, 4680, 0, 32760}}, kHopper, 5000, 16384);
  std::map<std::pair<int, int>, int> owners;
  for (const AttentionItem& item : plan.items) ++owners[{item.head, item.output_row}];
  for (const auto& [place, count] : owners) EXPECT_EQ(count, 1) << "head " << place.first << " row " << place.second;
  for (const AttentionItem& item : plan.items) {
    EXPECT_LE(item.output_row + item.query_rows, 5000 + plan.extra_rows);
    if (item.output_row != item.query_row) {
      EXPECT_GE(item.output_row, 5000);
    }
  }
}

TEST(AttentionPlanTest, CuttingTheLastRoundBringsAllProcessorsToAnEvenEnd) {
  // 444 tiles on 132 processors: four rounds of 171 steps without cutting, 3.36 when even.
  const AttentionPlan plan = PlanAttention({{0, 4680, 0, 32760}}, kHopper, 5000, 16384);
  const double even = 444.0 / 132 * (171 + 1.5);
  EXPECT_LT(LongestLoad(plan, kHopper), 1.03 * even);
}

TEST(AttentionPlanTest, FewKeysAreNotWorthCutting) {
  const AttentionPlan plan = PlanAttention({{0, 4680, 0, 100}}, kHopper, 5000, 16384);
  EXPECT_TRUE(plan.cut_tiles.empty());
  EXPECT_EQ(plan.extra_rows, 0);
  EXPECT_EQ(plan.items.size(), 444u);
}

TEST(AttentionPlanTest, FewerTilesThanProcessorsAreCutWhenTheirKeysAreMany) {
  const AttentionPlan plan = PlanAttention({{0, 100, 0, 30000}}, {3, 128, 192, 132}, 100, 16384);
  EXPECT_EQ(plan.cut_tiles.size(), 3u);
  EXPECT_GT(plan.items.size(), 60u);
}

TEST(AttentionPlanTest, NothingIsCutWhenThereIsNoRoomForItsParts) {
  const AttentionPlan plan = PlanAttention({{0, 4680, 0, 32760}}, kHopper, 5000, 1000);
  EXPECT_TRUE(plan.cut_tiles.empty());
  EXPECT_EQ(plan.items.size(), 444u);
}

TEST(AttentionPlanTest, TheSameInputGivesTheSamePlan) {
  const std::vector<AttentionSegment> sessions = {{0, 4680, 0, 32760}, {4680, 4680, 32760, 14040}};
  const AttentionPlan a = PlanAttention(sessions, kHopper, 9360, 16384),
                      b = PlanAttention(sessions, kHopper, 9360, 16384);
  EXPECT_EQ(a.first_item, b.first_item);
  EXPECT_EQ(a.extra_part_rows, b.extra_part_rows);
}

}  // namespace
}  // namespace videodiffcr::kernels
