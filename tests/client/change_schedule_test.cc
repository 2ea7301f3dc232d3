#include "client/change_schedule.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

PlannedChange NewPrompt(const std::string& prompt) { return {.prompt = prompt}; }

TEST(ChangeScheduleTest, WithoutChangesCreditsPlayNoPart) {
  const ChangeSchedule schedule({}, 8);
  EXPECT_EQ(schedule.initial_chunk_credits(), std::nullopt);
  EXPECT_THAT(schedule.AfterChunk(3), IsEmpty());
}

TEST(ChangeScheduleTest, TheServerMayGenerateUpToTheFirstChange) {
  const ChangeSchedule schedule({{4, NewPrompt("b")}, {6, NewPrompt("c")}}, 8);
  EXPECT_EQ(schedule.initial_chunk_credits(), 4);
}

TEST(ChangeScheduleTest, TheUpdateGoesBeforeTheCreditsAndOnlyAfterTheChunkBefore) {
  const ChangeSchedule schedule({{4, NewPrompt("b")}}, 10);
  EXPECT_THAT(schedule.AfterChunk(2), IsEmpty());
  const auto requests = schedule.AfterChunk(3);
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(requests[0].update().prompt(), "b");
  EXPECT_FALSE(requests[0].update().has_retention_target());
  EXPECT_EQ(requests[0].update().update_id(), 4);
  EXPECT_EQ(requests[1].credit().chunks(), 6);
  EXPECT_THAT(schedule.AfterChunk(4), IsEmpty());
}

TEST(ChangeScheduleTest, CreditsReachToTheNextChange) {
  const ChangeSchedule schedule({{2, NewPrompt("b")}, {3, {.retention_target = 0.7}}}, 10);
  EXPECT_EQ(schedule.AfterChunk(1)[1].credit().chunks(), 1);
  EXPECT_EQ(schedule.AfterChunk(2)[0].update().retention_target(), 0.7);
  EXPECT_EQ(schedule.AfterChunk(2)[1].credit().chunks(), 7);
}

TEST(ChangeScheduleTest, PromptAndBudgetOfOneChunkGoInOneUpdate) {
  const ChangeSchedule schedule({{2, {.prompt = "b", .retention_target = 0.8}}}, 10);
  const auto requests = schedule.AfterChunk(1);
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(requests[0].update().prompt(), "b");
  EXPECT_EQ(requests[0].update().retention_target(), 0.8);
}

TEST(ChangeScheduleTest, AnEndlessSessionIsNotStoppedAfterTheLastChange) {
  const ChangeSchedule schedule({{2, NewPrompt("b")}}, 0);
  EXPECT_EQ(schedule.AfterChunk(1)[1].credit().chunks(), 1'000'000 - 2);
}

TEST(ChangeScheduleTest, AChangeAtAnotherChunkThanAskedIsAnError) {
  const ChangeSchedule schedule({{4, NewPrompt("b")}}, 8);
  v1::UpdateApplied applied;
  applied.set_update_id(4);
  applied.set_first_chunk(4);
  EXPECT_TRUE(schedule.CheckApplied(applied).ok());
  applied.set_first_chunk(5);
  EXPECT_THAT(std::string(schedule.CheckApplied(applied).message()),
              HasSubstr("meant for chunk 4 took effect at chunk 5"));
  applied.set_update_id(9);
  EXPECT_FALSE(schedule.CheckApplied(applied).ok());
}

}  // namespace
}  // namespace videodiffcr
