#include "scheduler/scheduler_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(SchedulerConfigTest, DefaultsAreValid) { EXPECT_TRUE(SchedulerConfig().Validate().ok()); }

TEST(SchedulerConfigTest, RefusesANumberOutOfRangeAndNamesFieldAndValue) {
  SchedulerConfig config;
  config.max_sessions = 0;
  EXPECT_EQ(config.Validate().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("max_sessions is 0; it must be from 1 to 100000"));
  config = SchedulerConfig();
  config.max_waiting_sessions = -1;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("max_waiting_sessions is -1"));
  config = SchedulerConfig();
  config.memory_budget_bytes = 0;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("memory_budget_bytes is 0"));
  config = SchedulerConfig();
  config.delivery_threads = 0;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("delivery_threads is 0"));
  config = SchedulerConfig();
  config.max_sessions_per_plan = -2;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("max_sessions_per_plan is -2"));
  config = SchedulerConfig();
  config.engine_niceness = 20;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("engine_niceness is 20"));
}

TEST(SchedulerConfigTest, RefusesADurationOutOfRangeAndNamesFieldAndValue) {
  SchedulerConfig config;
  config.batch_chunk_due = absl::Seconds(-1);
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("batch_chunk_due is -1s"));
  config = SchedulerConfig();
  config.max_counted_lateness = absl::InfiniteDuration();
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("max_counted_lateness is inf"));
  config = SchedulerConfig();
  config.late_chunk_due = absl::Seconds(-1);
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("late_chunk_due is -1s"));
}

TEST(SchedulerConfigTest, TheEndsOfEveryRangeAreInIt) {
  SchedulerConfig config;
  config.max_sessions = config.delivery_threads = 1;
  config.memory_budget_bytes = 1;
  config.max_waiting_sessions = config.max_sessions_per_plan = config.engine_niceness = 0;
  config.first_chunk_due = config.standard_chunk_due = config.batch_chunk_due = config.max_counted_lateness =
      config.late_chunk_due = absl::ZeroDuration();
  EXPECT_EQ(config.Validate(), absl::OkStatus());
  config.max_sessions = config.max_waiting_sessions = config.max_sessions_per_plan = 100'000;
  config.delivery_threads = 256;
  config.first_chunk_due = config.standard_chunk_due = config.batch_chunk_due = config.max_counted_lateness =
      config.late_chunk_due = absl::Hours(1);
  EXPECT_EQ(config.Validate(), absl::OkStatus());
  config.max_sessions = 100'001;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("max_sessions is 100001"));
  config.max_sessions = 1;
  config.delivery_threads = 257;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("delivery_threads is 257"));
}

TEST(SchedulerConfigTest, PolicyNamesReadBackAsThePolicyTheyName) {
  for (SchedulingPolicy policy :
       {SchedulingPolicy::kEarliestDeadlineFirst, SchedulingPolicy::kFirstInFirstOut, SchedulingPolicy::kRoundRobin}) {
    const auto parsed = ParseSchedulingPolicy(SchedulingPolicyName(policy));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, policy);
  }
  EXPECT_THAT(std::string(ParseSchedulingPolicy("lottery").status().message()), HasSubstr("'lottery' is unknown"));
}

}  // namespace
}  // namespace videodiffcr
