#include "scheduler/scheduler_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "prometheus/text_serializer.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(SchedulerMetricsTest, AllFamiliesAreThereAtZeroBeforeTheFirstSession) {
  prometheus::Registry registry;
  SchedulerMetrics metrics(&registry, "tiny");
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  for (const char* line : {
           "videodiffcr_sessions{model=\"tiny\",priority=\"batch\",state=\"waiting\"} 0",
           "videodiffcr_sessions_total{model=\"tiny\",outcome=\"cancelled\",priority=\"standard\"} 0",
           "videodiffcr_time_to_first_chunk_seconds_count{model=\"tiny\",priority=\"standard\"} 0",
           "videodiffcr_chunk_deadline_misses_total{model=\"tiny\",cause=\"compute\",priority=\"standard\"} 0",
           "videodiffcr_queue_time_seconds_count{model=\"tiny\",priority=\"standard\",stage=\"admission\"} 0",
           "videodiffcr_denoise_step_seconds_count{model=\"tiny\",batch=\"3-4\"} 0",
           "videodiffcr_kv_cache_bytes{model=\"tiny\",state=\"idle\"} 0",
           "videodiffcr_retention_ratio_count{model=\"tiny\",kind=\"executed\",priority=\"batch\"} 0",
           "videodiffcr_admission_rejections_total{model=\"tiny\",priority=\"standard\",reason=\"draining\"} 0",
           "videodiffcr_cancel_latency_seconds_count{model=\"tiny\",origin=\"client\",priority=\"standard\"} 0",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(SchedulerMetricsTest, NoLabelCouldNameASession) {
  prometheus::Registry registry;
  SchedulerMetrics metrics(&registry, "tiny");
  const std::set<std::string> allowed = {"model", "priority", "state",  "outcome",   "cause", "stage",
                                         "batch", "kind",     "reason", "direction", "origin"};
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      for (const prometheus::ClientMetric::Label& label : metric.label) {
        EXPECT_TRUE(allowed.count(label.name)) << family.name << " has a label " << label.name;
      }
    }
  }
}

TEST(SchedulerMetricsTest, BatchLabelsCoverEveryPlanSize) {
  EXPECT_EQ(SchedulerMetrics::BatchIndex(1), 0);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(2), 1);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(3), 2);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(4), 2);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(5), 3);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(8), 3);
  EXPECT_EQ(SchedulerMetrics::BatchIndex(1000), 4);
}

TEST(SchedulerMetricsTest, OutcomesFollowTheStatus) {
  EXPECT_EQ(OutcomeOf(absl::OkStatus(), "LENGTH_REACHED"), SessionOutcome::kLengthReached);
  EXPECT_EQ(OutcomeOf(absl::OkStatus(), "FINISH_REQUESTED"), SessionOutcome::kFinishRequested);
  EXPECT_EQ(OutcomeOf(absl::CancelledError(""), ""), SessionOutcome::kCancelled);
  EXPECT_EQ(OutcomeOf(absl::AbortedError(""), ""), SessionOutcome::kAborted);
  EXPECT_EQ(OutcomeOf(absl::UnavailableError(""), ""), SessionOutcome::kAborted);
  EXPECT_EQ(OutcomeOf(absl::InternalError(""), ""), SessionOutcome::kFailed);
}

}  // namespace
}  // namespace videodiffcr
