// What the threads share, seen by one of them.
#include "scheduler/scheduler_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_video_model.h"
#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

class SchedulerStateTest : public ::testing::Test {
 protected:
  int SessionsPerPlan(int configured, int of_the_model) {
    SchedulerConfig config;
    config.max_sessions_per_plan = configured;
    ModelInfo info = FakeVideoModel::SmallInfo();
    info.max_sessions_per_plan = of_the_model;
    FakeVideoModel model(info);
    return SchedulerState(config, &model, &clock_, &metrics_).max_sessions_per_plan;
  }

  FakeVideoModel model_;
  ManualClock clock_;
  prometheus::Registry registry_;
  SchedulerMetrics metrics_{&registry_, "fake"};
};

TEST_F(SchedulerStateTest, APlanHoldsWhatTheModelSaysIsWorthItOrFewerIfTheOperatorSaysSo) {
  EXPECT_EQ(SessionsPerPlan(0, 8), 8);
  EXPECT_EQ(SessionsPerPlan(5, 8), 5);
  EXPECT_EQ(SessionsPerPlan(9, 8), 8);
  EXPECT_EQ(SessionsPerPlan(0, 0), 1) << "a model that does not say";
}

TEST_F(SchedulerStateTest, TheKvCacheCapacityIsThatOfTheSessionsThatMayRun) {
  SchedulerConfig config;
  config.memory_budget_bytes = 5 * model_.info().session_bytes + 1;
  SchedulerState by_memory(config, &model_, &clock_, &metrics_);
  EXPECT_EQ(metrics_.kv_cache_capacity_bytes->Value(), 5 * 800);
  config.max_sessions = 3;
  SchedulerState by_number(config, &model_, &clock_, &metrics_);
  EXPECT_EQ(metrics_.kv_cache_capacity_bytes->Value(), 3 * 800);
}

TEST_F(SchedulerStateTest, TheChunkPeriodIsTheMeanOfTheLatestSixteenChunksAndUnknownBeforeTheFirst) {
  SchedulerState state(SchedulerConfig(), &model_, &clock_, &metrics_);
  MutexLock lock(&state.mutex);
  EXPECT_EQ(state.TakeSnapshot().chunk_period, std::nullopt);
  state.NoteChunkTime(absl::Seconds(100));
  state.NoteChunkTime(absl::Seconds(2));
  EXPECT_EQ(state.TakeSnapshot().chunk_period, absl::Seconds(51));
  for (int i = 0; i < 14; ++i) state.NoteChunkTime(absl::Seconds(2));
  EXPECT_EQ(state.ChunkPeriod(), absl::Seconds(130) / 16) << "the first is still one of sixteen";
  state.NoteChunkTime(absl::Seconds(2));
  EXPECT_EQ(state.ChunkPeriod(), absl::Seconds(2));
}

TEST_F(SchedulerStateTest, ASessionThatIsNotThereIsNotFound) {
  SchedulerState state(SchedulerConfig(), &model_, &clock_, &metrics_);
  MutexLock lock(&state.mutex);
  EXPECT_EQ(state.Find(1), nullptr);
}

}  // namespace
}  // namespace videodiffcr
