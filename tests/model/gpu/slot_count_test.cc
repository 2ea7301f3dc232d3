#include "model/gpu/slot_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace videodiffcr::gpu {
namespace {

using ::testing::HasSubstr;

// Of 1600 bytes 100 are kept free.
constexpr GpuMemory kMemory = {.free_bytes = 1000, .total_bytes = 1600};

TEST(SlotCountTest, AsManyFitAsTheMemoryBesideScratchAndReserveHolds) {
  EXPECT_EQ(SlotsThatFit(0, 100, 0, kMemory).value(), 9);
  EXPECT_EQ(SlotsThatFit(0, 100, 350, kMemory).value(), 5);
  EXPECT_EQ(SlotsThatFit(0, 900, 0, kMemory).value(), 1);
}

TEST(SlotCountTest, NoMoreAreTakenThanAModelServes) {
  EXPECT_EQ(SlotsThatFit(0, 1, 0, kMemory).value(), kMostSessions);
}

TEST(SlotCountTest, TheNumberAskedForIsTakenWhenItFits) {
  EXPECT_EQ(SlotsThatFit(3, 100, 0, kMemory).value(), 3);
  EXPECT_EQ(SlotsThatFit(9, 100, 0, kMemory).value(), 9);
}

TEST(SlotCountTest, WhatDoesNotFitIsRefusedWithWhatIsFreeAndWhatIsNeeded) {
  const absl::Status many = SlotsThatFit(10, 100, 0, kMemory).status();
  EXPECT_EQ(many.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(many.message()), HasSubstr("1000 bytes are free beside the weights; 10 sessions need 1100"));
  EXPECT_FALSE(SlotsThatFit(0, 901, 0, kMemory).ok());
  EXPECT_FALSE(SlotsThatFit(0, 100, 5000, kMemory).ok()) << "the scratch alone is too much";
}

}  // namespace
}  // namespace videodiffcr::gpu
