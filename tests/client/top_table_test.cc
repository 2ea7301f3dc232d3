#include "client/top_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr char kBefore[] = R"(# HELP videodiffcr_sessions Sessions.
# TYPE videodiffcr_sessions gauge
videodiffcr_sessions{model="tiny",priority="standard",state="generating"} 1
videodiffcr_chunks_total{model="tiny"} 10
videodiffcr_chunk_deadline_misses_total{model="tiny",cause="queue"} 0
)";

constexpr char kNow[] = R"(videodiffcr_ready 1
videodiffcr_draining 0
videodiffcr_sessions{model="tiny",priority="standard",state="generating"} 2
videodiffcr_sessions{model="tiny",priority="standard",state="waiting"} 3
videodiffcr_chunks_total{model="tiny"} 30
videodiffcr_chunk_deadline_misses_total{model="tiny",cause="queue"} 1
videodiffcr_time_to_first_chunk_seconds_bucket{model="tiny",le="0.1"} 0
videodiffcr_time_to_first_chunk_seconds_bucket{model="tiny",le="0.2"} 2
videodiffcr_time_to_first_chunk_seconds_bucket{model="tiny",le="+Inf"} 2
videodiffcr_retention_ratio_sum{kind="nominal"} 14
videodiffcr_retention_ratio_count{kind="nominal"} 20
videodiffcr_retention_ratio_sum{kind="executed"} 15
videodiffcr_retention_ratio_count{kind="executed"} 20
videodiffcr_kv_cache_bytes{state="running"} 50
videodiffcr_kv_cache_capacity_bytes 200
process_resident_memory_bytes 1.048576e+08
)";

TEST(MetricsTextTest, SamplesAreSummedByTheirLabelsAndQuantilesLieBetweenBounds) {
  const MetricsText now = MetricsText::Parse(kNow), before = MetricsText::Parse(kBefore);
  EXPECT_EQ(now.Sum("videodiffcr_sessions"), 5);
  EXPECT_EQ(now.Sum("videodiffcr_sessions", {{"state", "waiting"}}), 3);
  EXPECT_FALSE(now.Sum("videodiffcr_unheard_of").has_value());
  EXPECT_EQ(now.LabelOf("videodiffcr_sessions", "model"), "tiny");
  EXPECT_EQ(now.Growth("videodiffcr_chunks_total", {}, before), 20);
  EXPECT_EQ(before.Growth("videodiffcr_chunks_total", {}, now), 0) << "a counter that began anew";
  EXPECT_NEAR(*now.Quantile("videodiffcr_time_to_first_chunk_seconds", 0.5, before), 0.15, 1e-9);
  EXPECT_FALSE(before.Quantile("videodiffcr_time_to_first_chunk_seconds", 0.5, before).has_value());
}

TEST(MetricsTextTest, WhatIsNoSampleIsPassedOver) {
  const MetricsText odd = MetricsText::Parse("a{b=\"c\n{}\na 1 2 3 4\na{x=\"y\\\"z\"} 5\n\nno_value\n");
  EXPECT_EQ(odd.Sum("a"), 5);
  EXPECT_EQ(odd.LabelOf("a", "x"), "y\"z");
}

TEST(TopTableTest, AnotherProgramsPageIsNoServerWithNothingToDo) {
  EXPECT_TRUE(ReadServerMetrics(kNow).ok());
  EXPECT_THAT(ReadServerMetrics("node_load1 0.5\n").status().message(), HasSubstr("--metrics-listen"));
  EXPECT_FALSE(ReadServerMetrics("<html>").ok());
  EXPECT_FALSE(ReadServerMetrics("").ok());
}

TEST(TopTableTest, AServerThatDoesNotSayItsLimitsIsNamedWithTheReason) {
  TopServer closed{"gpu-1:9464", absl::OkStatus(), {}, {}, MetricsText::Parse(kNow), absl::Seconds(2)};
  closed.max_sessions = absl::UnauthenticatedError("this server wants a token");
  const std::string table = TopTable({closed});
  EXPECT_THAT(table, HasSubstr(" 2/? "));
  EXPECT_THAT(table, HasSubstr("\ngpu-1:9464: its limits are not known: this server wants a token\n"));
}

TEST(TopTableTest, ARowPerServerAndWhatTheyComeToTogether) {
  TopServer up{"gpu-1:9464",    absl::OkStatus(), 8, MetricsText::Parse(kBefore), MetricsText::Parse(kNow),
               absl::Seconds(2)};
  TopServer down{
      "gpu-2:9464", absl::UnavailableError("no metrics from gpu-2:9464: Connection refused"), {}, {}, {}, {}};
  const std::string table = TopTable({up, down});
  EXPECT_THAT(table, HasSubstr("gpu-1:9464  ready"));
  EXPECT_THAT(table, HasSubstr("2/8"));
  EXPECT_THAT(table, HasSubstr(" 10.0 ")) << "chunks per second";
  EXPECT_THAT(table, HasSubstr("0.950")) << "one chunk of twenty was late";
  EXPECT_THAT(table, HasSubstr("0.70/0.75"));
  EXPECT_THAT(table, HasSubstr("25%"));
  EXPECT_THAT(table, HasSubstr("gpu-2:9464  down"));
  EXPECT_THAT(table, HasSubstr("Connection refused"));
  EXPECT_THAT(table, HasSubstr("1 of 2"));
}

}  // namespace
}  // namespace videodiffcr
