#include "scheduler/pass_times.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

double Milliseconds(const std::optional<absl::Duration>& duration) {
  return duration.has_value() ? absl::FDivDuration(*duration, kMillisecond) : -1;
}

class PassTimesTest : public ::testing::Test {
 protected:
  void Note(RetentionTenths budget, int batch, int64_t window, double milliseconds) {
    times_.Note(StepKind::kDenoise, budget, batch, window, kMillisecond * milliseconds);
  }
  double Share(RetentionTenths budget, int batch, int64_t window) {
    return Milliseconds(times_.Share(StepKind::kDenoise, budget, batch, window));
  }
  PassTimes times_{{{10, 1.0}, {8, 0.8}, {7, 0.6}}, 4};
};

TEST_F(PassTimesTest, NothingIsPredictedFromNothing) {
  EXPECT_FALSE(times_.Share(StepKind::kDenoise, 10, 1, 0).has_value());
  EXPECT_FALSE(times_.Chunk(10, 1, 0).has_value());
  times_.Note(StepKind::kText, 10, 1, 0, absl::Seconds(1));
  EXPECT_FALSE(times_.Chunk(10, 1, 0).has_value()) << "prompts are not passes";
}

TEST_F(PassTimesTest, APassIsSharedByThoseInItsPlan) {
  Note(10, 4, 0, 40);
  EXPECT_DOUBLE_EQ(Share(10, 4, 0), 10);
}

TEST_F(PassTimesTest, DeliveriesAreExpectedToTakeTheirMeanAndTwiceTheirDeviation) {
  EXPECT_EQ(times_.Delivery(), absl::Milliseconds(20)) << "nothing is known";
  for (int i = 0; i < 200; ++i) times_.NoteDelivery(absl::Milliseconds(60));
  EXPECT_NEAR(Milliseconds(times_.Delivery()), 60, 0.1);
  for (int i = 0; i < 200; ++i) times_.NoteDelivery(absl::Milliseconds(i % 2 == 0 ? 40 : 80));
  EXPECT_NEAR(Milliseconds(times_.Delivery()), 100, 6);
  times_.NoteDelivery(absl::Hours(1));
  EXPECT_LT(times_.Delivery(), absl::Milliseconds(300)) << "one that was stuck says little about the next";
}

TEST_F(PassTimesTest, SharingIsFreeWhereTwoInAPlanTakeHardlyLongerThanOne) {
  EXPECT_FALSE(times_.SharingIsFree()) << "nothing is known";
  Note(10, 1, 0, 20);
  EXPECT_FALSE(times_.SharingIsFree()) << "of two nothing is known";
  Note(10, 2, 1, 22);
  EXPECT_FALSE(times_.SharingIsFree()) << "another window does not say it";
  Note(7, 1, 2, 20);
  Note(7, 2, 2, 24);
  EXPECT_TRUE(times_.SharingIsFree());
  for (int i = 0; i < 100; ++i) Note(7, 2, 2, 38);
  EXPECT_FALSE(times_.SharingIsFree());
  for (int i = 0; i < 2; ++i) Note(10, 1, 5, 20);
  for (int i = 0; i < 2; ++i) Note(10, 2, 5, 21);
  EXPECT_TRUE(times_.SharingIsFree()) << "what was seen most often says it";
}

TEST_F(PassTimesTest, EachBudgetBatchAndWindowHasItsOwnTime) {
  Note(10, 1, 0, 20);
  Note(10, 2, 0, 30);
  Note(10, 1, 3, 26);
  Note(7, 1, 0, 13);
  EXPECT_DOUBLE_EQ(Share(10, 1, 0), 20);
  EXPECT_DOUBLE_EQ(Share(10, 2, 0), 15);
  EXPECT_DOUBLE_EQ(Share(10, 1, 3), 26);
  EXPECT_DOUBLE_EQ(Share(10, 1, 1000), 26) << "a full window is full";
  EXPECT_DOUBLE_EQ(Share(7, 1, 0), 13);
}

TEST_F(PassTimesTest, ABudgetThatWasNeverUsedIsGuessedByWhatItExecutes) {
  Note(10, 1, 0, 20);
  EXPECT_DOUBLE_EQ(Share(7, 1, 0), 12);
  Note(8, 1, 0, 18);
  EXPECT_DOUBLE_EQ(Share(7, 1, 0), 13.5) << "from the nearest that is known";
}

TEST_F(PassTimesTest, NewTimesReplaceOldOnesByAndBy) {
  for (int i = 0; i < 100; ++i) Note(10, 1, 0, 20);
  Note(10, 1, 0, 36);
  EXPECT_DOUBLE_EQ(Share(10, 1, 0), 21);
  for (int i = 0; i < 100; ++i) Note(10, 1, 0, 40);
  EXPECT_NEAR(Share(10, 1, 0), 40, 0.1);
}

TEST_F(PassTimesTest, AChunkIsItsPassesAndItsContextPass) {
  Note(10, 1, 0, 20);
  EXPECT_DOUBLE_EQ(Milliseconds(times_.Chunk(10, 1, 0)), 100) << "an unknown context pass is like any other";
  times_.Note(StepKind::kContext, 10, 1, 0, 5 * kMillisecond);
  EXPECT_DOUBLE_EQ(Milliseconds(times_.Chunk(10, 1, 0)), 85);
  EXPECT_DOUBLE_EQ(Milliseconds(times_.Rest(10, 1, 0, 1, false)), 20);
}

}  // namespace
}  // namespace videodiffcr
