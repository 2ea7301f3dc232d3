#include "model/config/cache_retention.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

static_assert(KeptKeys(50, 180) == 90 && KeptKeys(75, 6) == 5 && KeptKeys(25, 6) == 2, "rounded half up");
static_assert(KeptKeys(100, 7) == 7 && KeptKeys(1, 7) == 1 && KeptKeys(1, 0) == 0);

TEST(CacheRetention, ABudgetThatIsNotNamedKeepsEverything) {
  const CacheRetention cache = {CacheScore::kRouter, {{9, {50}}, {7, {100, 30}}, {6, {100, 100}}}};
  EXPECT_EQ(FindCacheShares(cache, 10), nullptr);
  EXPECT_EQ(FindCacheShares(cache, 6), nullptr) << "whole blocks are as good as no entry";
  EXPECT_EQ(PercentKept(FindCacheShares(cache, 10), 1), 100);
  EXPECT_EQ(PercentKept(FindCacheShares(cache, 9), 1), 50);
  EXPECT_EQ(PercentKept(FindCacheShares(cache, 7), 0), 100);
  EXPECT_EQ(PercentKept(FindCacheShares(cache, 7), 1), 30);
  EXPECT_DOUBLE_EQ(MeanShareKept(cache, 7, 2), 0.65);
  EXPECT_DOUBLE_EQ(MeanShareKept(cache, 10, 2), 1.0);
}

TEST(CacheRetention, MemoryIsForTheLargestShareOfAnyBudget) {
  const CacheRetention cache = {CacheScore::kRouter, {{10, {75, 50}}, {7, {25}}}};
  EXPECT_EQ(MostPercentKept(cache, {10, 7}, 0), 75);
  EXPECT_EQ(MostPercentKept(cache, {10, 7}, 1), 50);
  EXPECT_EQ(MostPercentKept(cache, {10, 9, 7}, 1), 100) << "nothing is said of budget 9";
}

TEST(CacheRetention, WhoKeepsTheWholeCacheRefusesAnyOtherAndNamesTheSetting) {
  EXPECT_TRUE(RequireWholeCache({}, "a test").ok());
  EXPECT_TRUE(RequireWholeCache(UniformCacheRetention(CacheScore::kRandom, 100, {10, 7}), "a test").ok());
  const absl::Status refused = RequireWholeCache({CacheScore::kRouter, {{7, {100, 40}}}}, "device 'cuda'");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("retention.cache.percent.7: 40; device 'cuda'"));
}

}  // namespace
}  // namespace videodiffcr
