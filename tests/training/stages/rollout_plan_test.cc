#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "training/scenes/random_stream.h"
#include "training/stages/self_rollout.h"

namespace videodiffcr::training {
namespace {

constexpr int kDraws = 20'000;

std::map<int64_t, double> SharesOfLengths(int64_t most_chunks) {
  RandomStream random(1, DrawPurpose::kScene, 2);
  std::map<int64_t, double> shares;
  for (int i = 0; i < kDraws; ++i) shares[DrawRolloutPlan(4, most_chunks, random).chunks] += 1.0 / kDraws;
  return shares;
}

TEST(RolloutPlanTest, SevenOfTenRolloutsAreTheWindowAndTheOthersAnyLengthUpToTheMost) {
  for (const int64_t most : {5, 6, 16}) {
    const std::map<int64_t, double> shares = SharesOfLengths(most);
    EXPECT_EQ(shares.begin()->first, kWindowChunks);
    EXPECT_NEAR(shares.begin()->second, 0.7, 0.02);
    EXPECT_EQ(shares.rbegin()->first, most);
    for (int64_t chunks = kWindowChunks + 1; chunks <= most; ++chunks) {
      EXPECT_NEAR(shares.at(chunks), 0.3 / static_cast<double>(most - kWindowChunks), 0.02) << chunks << " of " << most;
    }
  }
}

TEST(RolloutPlanTest, WithNoMoreThanTheWindowAllRolloutsAreOfItsLength) {
  EXPECT_EQ(SharesOfLengths(kWindowChunks).size(), 1);
}

TEST(RolloutPlanTest, OfALongRolloutTheWindowIsTheFirstChunkAndTheLastThree) {
  RolloutPlan plan;
  plan.chunks = 16;
  EXPECT_EQ(plan.window(), (std::vector<int64_t>{0, 13, 14, 15}));
  EXPECT_TRUE(plan.counts(0) && plan.counts(15));
  EXPECT_FALSE(plan.counts(13));
}

}  // namespace
}  // namespace videodiffcr::training
