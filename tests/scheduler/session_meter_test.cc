// What one session adds to the metrics, call by call, and the totals it ends with.
#include "scheduler/session_meter.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

constexpr int64_t kKvBytes = 800;
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

struct Observed {
  uint64_t count;
  double sum;
};

Observed Of(prometheus::Histogram* histogram) {
  const auto collected = histogram->Collect().histogram;
  return {collected.sample_count, collected.sample_sum};
}

class SessionMeterTest : public ::testing::Test {
 protected:
  prometheus::Gauge& InState(SessionState state) { return *standard_.sessions[static_cast<int>(state)]; }
  prometheus::Histogram* QueueTime(QueueStage stage) { return standard_.queue_time_seconds[static_cast<int>(stage)]; }
  prometheus::Counter& Ended(SessionOutcome outcome) { return *standard_.sessions_total[static_cast<int>(outcome)]; }
  Observed Cancelled(CancelOrigin origin) { return Of(standard_.cancel_latency_seconds[static_cast<int>(origin)]); }
  double Misses() {
    double misses = 0;
    for (prometheus::Counter* cause : standard_.chunk_deadline_misses_total) misses += cause->Value();
    return misses;
  }

  // A chunk of twelve frames, three quarters of a second.
  static FinishedChunk Chunk() {
    FinishedChunk chunk;
    chunk.frame_count = 12;
    chunk.presentation_duration = absl::Milliseconds(750);
    chunk.chunk.work_began = kStart;
    chunk.denoised = kStart;
    return chunk;
  }

  prometheus::Registry registry_;
  SchedulerMetrics metrics_{&registry_, "tiny"};
  SchedulerMetrics::ForPriority& standard_ = metrics_.of(PriorityClass::kStandard);
  SessionMeter meter_{&metrics_, PriorityClass::kStandard, kKvBytes, kStart};
};

TEST_F(SessionMeterTest, ASessionIsCountedInTheStateItIsInAndNoLongerOnceItHasEnded) {
  EXPECT_EQ(InState(SessionState::kWaiting).Value(), 1);
  meter_.StateChanged(SessionState::kWaiting, SessionState::kGenerating, true, kStart);
  EXPECT_EQ(InState(SessionState::kWaiting).Value(), 0);
  EXPECT_EQ(InState(SessionState::kGenerating).Value(), 1);
  meter_.StateChanged(SessionState::kGenerating, SessionState::kEnded, false, kStart);
  EXPECT_EQ(InState(SessionState::kGenerating).Value(), 0);
}

TEST_F(SessionMeterTest, ASessionThatGoesAwayWithoutAnEndLeavesNothingInTheGauges) {
  {
    SessionMeter meter(&metrics_, PriorityClass::kBatch, kKvBytes, kStart);
    meter.StateChanged(SessionState::kWaiting, SessionState::kGenerating, true, kStart);
  }
  for (prometheus::Gauge* gauge : metrics_.of(PriorityClass::kBatch).sessions) EXPECT_EQ(gauge->Value(), 0);
  EXPECT_EQ(metrics_.kv_cache_bytes_running->Value(), 0);
}

TEST_F(SessionMeterTest, TheKvCacheIsHeldFromAdmissionToTheEndAndIsIdleWhilePausedOrBlocked) {
  prometheus::Gauge& running = *metrics_.kv_cache_bytes_running;
  prometheus::Gauge& idle = *metrics_.kv_cache_bytes_idle;
  EXPECT_EQ(running.Value() + idle.Value(), 0);
  SessionState before = SessionState::kWaiting;
  const auto enter = [&](SessionState state) {
    meter_.StateChanged(before, state, state != SessionState::kEnded, kStart);
    before = state;
  };
  enter(SessionState::kGenerating);
  EXPECT_EQ(running.Value(), kKvBytes);
  for (const SessionState held : {SessionState::kPaused, SessionState::kBlocked}) {
    enter(held);
    EXPECT_EQ(running.Value(), 0);
    EXPECT_EQ(idle.Value(), kKvBytes);
  }
  enter(SessionState::kFinishing);
  EXPECT_EQ(running.Value(), kKvBytes);
  EXPECT_EQ(idle.Value(), 0);
  enter(SessionState::kEnded);
  EXPECT_EQ(running.Value() + idle.Value(), 0);
}

TEST_F(SessionMeterTest, OnlyTheTimeInBlockedCountsAsHeldBackByFlowControl) {
  meter_.StateChanged(SessionState::kWaiting, SessionState::kGenerating, true, kStart + absl::Seconds(10));
  meter_.StateChanged(SessionState::kGenerating, SessionState::kBlocked, true, kStart + absl::Seconds(30));
  meter_.StateChanged(SessionState::kBlocked, SessionState::kGenerating, true, kStart + absl::Seconds(33));
  meter_.StateChanged(SessionState::kGenerating, SessionState::kBlocked, true, kStart + absl::Seconds(40));
  meter_.StateChanged(SessionState::kBlocked, SessionState::kPaused, true, kStart + absl::Seconds(44));
  EXPECT_EQ(standard_.flow_control_blocked_seconds_total->Value(), 7);
}

TEST_F(SessionMeterTest, TheWaitForAdmissionCountsFromSubmission) {
  meter_.Admitted(kStart + absl::Seconds(4));
  EXPECT_EQ(Of(QueueTime(QueueStage::kAdmission)).count, 1u);
  EXPECT_EQ(Of(QueueTime(QueueStage::kAdmission)).sum, 4);
}

TEST_F(SessionMeterTest, ABudgetThatFallsAndOneThatRisesAreCountedApart) {
  meter_.TargetChanged(10, 7, BudgetOrigin::kClient);
  meter_.TargetChanged(10, 8, BudgetOrigin::kClient);
  meter_.TargetChanged(7, 10, BudgetOrigin::kClient);
  meter_.TargetChanged(10, 9, BudgetOrigin::kMemory);
  const int client = static_cast<int>(BudgetOrigin::kClient), memory = static_cast<int>(BudgetOrigin::kMemory);
  EXPECT_EQ(standard_.retention_lowered_total[client]->Value(), 2);
  EXPECT_EQ(standard_.retention_raised_total[client]->Value(), 1);
  EXPECT_EQ(standard_.retention_lowered_total[memory]->Value(), 1);
}

TEST_F(SessionMeterTest, AMadeChunkCountsItsWaitForTheEngineAndItsRetention) {
  FinishedChunk chunk = Chunk();
  chunk.chunk.timings.queue = absl::Seconds(2);
  chunk.chunk.timings.context_queue = absl::Seconds(1);
  chunk.chunk.nominal = 7;
  chunk.chunk.executed_retention = 0.75;
  meter_.ChunkMade(chunk);
  EXPECT_EQ(Of(QueueTime(QueueStage::kEngine)).sum, 3);
  EXPECT_DOUBLE_EQ(Of(standard_.retention_ratio_nominal).sum, 0.7);
  EXPECT_DOUBLE_EQ(Of(standard_.retention_ratio_executed).sum, 0.75);
}

TEST_F(SessionMeterTest, EveryKindOfStepIsTimedInItsOwnFamilyAndPassesByTheSizeOfTheirPlan) {
  const auto run = [&](StepKind kind, int seconds, int sessions) {
    PlannedStep step;
    step.kind = kind;
    StepOutcome outcome;
    outcome.elapsed = absl::Seconds(seconds);
    outcome.tokens_evicted = seconds;
    meter_.StepRan(step, outcome, sessions);
  };
  run(StepKind::kText, 1, 1);
  run(StepKind::kDenoise, 2, 1);
  run(StepKind::kDenoise, 4, 3);
  run(StepKind::kContext, 8, 2);
  EXPECT_EQ(Of(metrics_.text_encode_seconds).sum, 1);
  EXPECT_EQ(Of(metrics_.denoise_step_seconds[0]).sum, 2);
  EXPECT_EQ(Of(metrics_.denoise_step_seconds[2]).sum, 4);
  EXPECT_EQ(Of(metrics_.context_pass_seconds).sum, 8);
  EXPECT_EQ(metrics_.kv_tokens_evicted_total->Value(), 15);
}

TEST_F(SessionMeterTest, ADecodedChunkCountsItsWaitForADeliveryThreadAndItsDecoding) {
  FinishedChunk chunk = Chunk();
  chunk.chunk.timings.delivery_queue = absl::Seconds(5);
  chunk.chunk.timings.decode = absl::Seconds(2);
  meter_.Decoded(chunk);
  EXPECT_EQ(Of(QueueTime(QueueStage::kDelivery)).sum, 5);
  EXPECT_EQ(Of(metrics_.decode_seconds).sum, 2);
}

TEST_F(SessionMeterTest, ADeliveredChunkCountsItsFramesItsPlayingTimeAndItsLatency) {
  FinishedChunk chunk = Chunk();
  chunk.chunk.work_began = kStart + absl::Seconds(1);
  meter_.Delivered(chunk, kStart + absl::Seconds(3));
  EXPECT_EQ(standard_.chunks_total->Value(), 1);
  EXPECT_EQ(standard_.frames_total->Value(), 12);
  EXPECT_EQ(standard_.content_seconds_total->Value(), 0.75);
  EXPECT_EQ(Of(standard_.chunk_latency_seconds).sum, 2);
}

TEST_F(SessionMeterTest, TheFirstChunkIsTimedFromSubmissionLaterOnesFromEachOtherAndJitterIsTheChangeBetween) {
  for (const int second : {2, 3, 6, 7}) meter_.Delivered(Chunk(), kStart + absl::Seconds(second));
  EXPECT_EQ(Of(standard_.time_to_first_chunk_seconds).count, 1u);
  EXPECT_EQ(Of(standard_.time_to_first_chunk_seconds).sum, 2);
  EXPECT_EQ(Of(standard_.inter_chunk_interval_seconds).count, 3u);  // 1, 3, 1
  EXPECT_EQ(Of(standard_.inter_chunk_interval_seconds).sum, 5);
  EXPECT_EQ(Of(standard_.chunk_jitter_seconds).count, 2u);
  EXPECT_EQ(Of(standard_.chunk_jitter_seconds).sum, 4);
}

TEST_F(SessionMeterTest, SlackIsWhatWasLeftToTheDeadlineAndOnlyALateChunkIsAMiss) {
  meter_.Delivered(Chunk(), kStart);  // no deadline
  EXPECT_EQ(Of(standard_.chunk_slack_seconds).count, 0u);
  FinishedChunk chunk = Chunk();
  chunk.chunk.deadline = kStart + absl::Seconds(4);
  meter_.Delivered(chunk, kStart + absl::Seconds(1));
  meter_.Delivered(chunk, kStart + absl::Seconds(4));  // in the nick of time
  EXPECT_EQ(Of(standard_.chunk_slack_seconds).sum, 3);
  EXPECT_EQ(Misses(), 0);
  meter_.Delivered(chunk, kStart + absl::Seconds(6));
  EXPECT_EQ(Of(standard_.chunk_slack_seconds).sum, 3 - 2);
  EXPECT_EQ(Misses(), 1);
}

TEST_F(SessionMeterTest, TheTotalsAreSumsAndMeansOfTheChunksDelivered) {
  FinishedChunk chunk = Chunk();
  chunk.chunk.executed_retention = 1.0;
  meter_.Delivered(chunk, kStart);
  chunk.chunk.nominal = 7;
  chunk.chunk.executed_retention = 0.75;
  chunk.chunk.executed_cache = 0.5;
  meter_.Delivered(chunk, kStart);
  EXPECT_EQ(meter_.totals().chunks, 2);
  EXPECT_EQ(meter_.totals().frames, 24);
  EXPECT_DOUBLE_EQ(meter_.totals().nominal_retention_mean, 0.85);
  EXPECT_DOUBLE_EQ(meter_.totals().executed_retention_mean, 0.875);
  EXPECT_DOUBLE_EQ(meter_.totals().executed_cache_mean, 0.75);
}

TEST_F(SessionMeterTest, AnEndIsCountedByItsOutcomeWithTheLengthOfTheSession) {
  meter_.Ended(absl::OkStatus(), "LENGTH_REACHED", std::nullopt, kStart + absl::Seconds(9));
  EXPECT_EQ(Ended(SessionOutcome::kLengthReached).Value(), 1);
  EXPECT_EQ(Of(standard_.session_duration_seconds).sum, 9);
  EXPECT_EQ(Cancelled(CancelOrigin::kClient).count + Cancelled(CancelOrigin::kServer).count, 0u);
}

TEST_F(SessionMeterTest, ACancellationIsTimedToTheEndByWhoAskedForIt) {
  meter_.Ended(absl::CancelledError("client went away"), "", kStart + absl::Seconds(5), kStart + absl::Seconds(7));
  EXPECT_EQ(Cancelled(CancelOrigin::kClient).sum, 2);
  meter_.Ended(absl::AbortedError("server had to stop"), "", kStart + absl::Seconds(5), kStart + absl::Seconds(6));
  EXPECT_EQ(Cancelled(CancelOrigin::kServer).sum, 1);
}

TEST(CauseOfMissTest, AMissIsPutDownToTheLargestShareOfItsTime) {
  ChunkTimings timings;
  timings.queue = absl::Milliseconds(30);
  timings.denoise = absl::Milliseconds(20);
  timings.decode = absl::Milliseconds(5);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(10)), MissCause::kQueue);
  timings.context = absl::Milliseconds(10);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(10)), MissCause::kCompute);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(50)), MissCause::kDelivery);
}

TEST(CauseOfMissTest, EqualSharesGoToTheQueueThenToTheModelAndDecodingIsNoDelivery) {
  ChunkTimings timings;
  timings.queue = timings.context_queue = absl::Milliseconds(10);
  timings.denoise = absl::Milliseconds(20);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(10)), MissCause::kQueue);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(20)), MissCause::kQueue);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(21)), MissCause::kDelivery);
  timings.queue = timings.context_queue = absl::ZeroDuration();
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(20)), MissCause::kCompute);
  timings.decode = absl::Milliseconds(30);
  EXPECT_EQ(CauseOfMiss(timings, absl::Milliseconds(79)), MissCause::kCompute);
}

}  // namespace
}  // namespace videodiffcr
