// Who gets in, who waits and who is refused, with real memory accounts.
#include <algorithm>

#include "tests/scheduler/scheduler_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CapacityTest : public SchedulerTest {
 protected:
  // Room for `sessions` sessions, `waiting` more may wait.
  void StartWithRoomFor(int sessions, int waiting) {
    config_.memory_budget_bytes = sessions * model_.info().session_bytes + 999;  // the rest is too little for one more
    config_.max_waiting_sessions = waiting;
    Start();
  }

  absl::Status SubmitStatus(SessionRequest request) {
    const auto log = std::make_shared<SinkLog>();
    absl::Status status = scheduler_->Submit(std::move(request), std::make_unique<RecordingSink>(log)).status();
    if (!status.ok()) {
      EXPECT_TRUE(log->destroyed());
      EXPECT_THAT(log->events(), ::testing::IsEmpty());
    }
    return status;
  }
};

TEST_F(CapacityTest, ASessionThatDoesNotFitWaitsAndStartsWhenAnotherEnds) {
  model_.HoldPlans();
  StartWithRoomFor(1, 4);
  const TestSession first = Submit(Request(1, 1));
  const TestSession second = Submit(Request(2, 1));
  ASSERT_TRUE(second.log->WaitForEvent("waiting"));
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 1);
  model_.FreePlans();
  ASSERT_TRUE(first.log->WaitForEnd());
  ASSERT_TRUE(second.log->WaitForEnd());
  EXPECT_EQ(second.log->totals().chunks, 1);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_kv_cache_capacity_bytes{model=\"fake\"} 800"));
}

TEST_F(CapacityTest, WithMemoryAndQueueFullASessionIsRefusedAtOnceWithAWaitAndItsSinkIsNeverCalled) {
  model_.HoldPlans();
  StartWithRoomFor(1, 1);
  Submit(Request(1, 1));
  Submit(Request(2, 1));
  const absl::Status status = SubmitStatus(Request(3, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("no memory is left for another session (1 run, 1 of at most 1 wait)"));
  EXPECT_EQ(RetryAfter(status), absl::Seconds(10));
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_admission_rejections_total{model=\"fake\",priority=\"standard\",reason="
                                  "\"memory\"} 1"));
}

TEST_F(CapacityTest, WithoutAQueueTheNumberOfSessionsIsAFirmLimit) {
  model_.HoldPlans();
  config_.max_sessions = 2;
  config_.max_waiting_sessions = 0;
  Start();
  Submit(Request(1, 1));
  Submit(Request(2, 1));
  const absl::Status status = SubmitStatus(Request(3, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no more sessions are allowed"));
}

TEST_F(CapacityTest, TheModelNeverHoldsMoreSessionsThanTheBudgetAllows) {
  StartWithRoomFor(3, 60);
  int most = 0;
  model_.SetPlanHook([&](const StepPlan&) { most = std::max(most, model_.live_sessions()); });
  std::vector<TestSession> sessions;
  for (uint64_t seed = 1; seed <= 40; ++seed) sessions.push_back(Submit(Request(seed, 2)));
  for (const TestSession& session : sessions) {
    ASSERT_TRUE(session.log->WaitForEnd());
    EXPECT_EQ(session.log->totals().chunks, 2);
  }
  EXPECT_EQ(most, 3);
  EXPECT_EQ(model_.live_bytes(), 0);
}

TEST_F(CapacityTest, ASessionCancelledWhileItWaitsLeavesTheQueueAndNeverBegins) {
  model_.HoldPlans();
  StartWithRoomFor(1, 4);
  Submit(Request(1, 1));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  const TestSession waiting = Submit(Request(2, 1));
  scheduler_->Cancel(waiting.id, absl::CancelledError("changed my mind"));
  model_.ReleasePlans(1);
  ASSERT_TRUE(waiting.log->WaitForEnd());
  EXPECT_EQ(waiting.log->end_status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 0);
  EXPECT_EQ(model_.live_sessions(), 1);
}

TEST_F(CapacityTest, FinishBeforeAdmissionEndsTheSessionWithoutAChunk) {
  model_.HoldPlans();
  StartWithRoomFor(1, 4);
  Submit(Request(1, 1));
  const TestSession waiting = Submit(Request(2, 0));
  ASSERT_TRUE(scheduler_->Finish(waiting.id).ok());
  model_.FreePlans();
  ASSERT_TRUE(waiting.log->WaitForEnd());
  EXPECT_THAT(waiting.log->events(), ElementsAre("waiting", "ended OK FINISH_REQUESTED"));
}

TEST_F(CapacityTest, StandardSessionsAreTakenInBeforeBatchSessions) {
  model_.HoldPlans();
  StartWithRoomFor(1, 4);
  Submit(Request(1, 1));
  SessionRequest batch = Request(2, 1);
  batch.priority = PriorityClass::kBatch;
  const TestSession patient = Submit(batch);
  const TestSession hurried = Submit(Request(3, 1));
  model_.FreePlans();
  ASSERT_TRUE(patient.log->WaitForEnd());
  std::vector<uint64_t> order;
  for (const auto& plan : model_.plans()) {
    if (plan[0].step.kind == StepKind::kText) order.push_back(plan[0].seed);
  }
  EXPECT_THAT(order, ElementsAre(1, 3, 2));
}

TEST_F(CapacityTest, ABudgetThatHoldsNotEvenOneSessionIsRefusedAtStart) {
  config_.memory_budget_bytes = 999;
  metrics_ = std::make_unique<SchedulerMetrics>(&registry_, "fake");
  const absl::Status status = Scheduler::Create(config_, &model_, &clock_, metrics_.get()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("memory_budget_bytes is 999"));
}

TEST_F(CapacityTest, AConfigOrAModelThatMakesNoSenseIsRefusedAtStart) {
  metrics_ = std::make_unique<SchedulerMetrics>(&registry_, "fake");
  SchedulerConfig config;
  config.delivery_threads = 0;
  EXPECT_THAT(std::string(Scheduler::Create(config, &model_, &clock_, metrics_.get()).status().message()),
              HasSubstr("delivery_threads is 0"));
  const auto create = [&](const ModelInfo& info) {
    FakeVideoModel model(info);
    return Scheduler::Create(config_, &model, &clock_, metrics_.get()).status();
  };
  ModelInfo least = FakeVideoModel::SmallInfo();
  least.session_bytes = 1;
  least.frames_per_second = least.denoise_steps = least.chunk_frames = least.first_chunk_frames = 1;
  EXPECT_TRUE(create(least).ok());
  ModelInfo info = least;
  info.session_bytes = 0;
  EXPECT_THAT(std::string(create(info).message()), HasSubstr("session_bytes 0"));
  info = least;
  info.frames_per_second = 0;
  EXPECT_THAT(std::string(create(info).message()), HasSubstr("frames_per_second 0"));
  info = least;
  info.denoise_steps = 0;
  EXPECT_THAT(std::string(create(info).message()), HasSubstr("denoise_steps 0"));
  info = least;
  info.chunk_frames = 0;
  EXPECT_THAT(std::string(create(info).message()), HasSubstr(", chunk_frames 0"));
  info = least;
  info.first_chunk_frames = 0;
  EXPECT_THAT(std::string(create(info).message()), HasSubstr("first_chunk_frames 0"));
}

TEST_F(CapacityTest, AModelWithSlotsOfItsOwnTakesAsManySessionsAsItHasWhateverTheHostsBudgetIs) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.session_capacity = 3;
  FakeVideoModel model(info);
  config_.memory_budget_bytes = 1;
  metrics_ = std::make_unique<SchedulerMetrics>(&registry_, "fake");
  ASSERT_TRUE(Scheduler::Create(config_, &model, &clock_, metrics_.get()).ok());
  EXPECT_EQ(metrics_->kv_cache_capacity_bytes->Value(), 3 * info.kv_cache_bytes);
}

// Sessions that have ended hold no model memory; without a bound on them, clients that come and go beside a sink that
// hangs would fill the host's.
TEST_F(CapacityTest, SessionsWhoseSinksHaveYetToHearOfTheirEndAreBounded) {
  config_.delivery_threads = 1;
  config_.max_sessions = 1;
  config_.max_waiting_sessions = 1;
  Start();
  TestSession session = Submit(Request(1, 0));
  session.log->HoldChunks();
  ASSERT_TRUE(session.log->WaitForHeldChunk());
  for (uint64_t seed = 2; seed <= 4; ++seed) {
    scheduler_->Cancel(session.id, absl::CancelledError("client went away"));
    ASSERT_TRUE(model_.WaitForLiveSessions(0));
    session = Submit(Request(seed, 0));  // takes the place at once, or when the one before it has quite ended
    ASSERT_TRUE(model_.WaitForLiveSessions(1));
  }
  EXPECT_EQ(scheduler_->load().active_sessions, 1);
  EXPECT_EQ(scheduler_->load().waiting_sessions, 0);
  const absl::Status status = SubmitStatus(Request(5, 0));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(status), absl::Seconds(10));
}

TEST_F(CapacityTest, ARequestThatWouldBreakTheArithmeticIsRefusedByFieldAndValue) {
  Start();
  SessionRequest request = Request(1, -1);
  EXPECT_THAT(std::string(SubmitStatus(request).message()), HasSubstr("length_chunks is -1"));
  request = Request(1, 1);
  request.chunk_credits = -5;
  EXPECT_THAT(std::string(SubmitStatus(request).message()), HasSubstr("chunk_credits is -5"));
  request = Request(1, 1);
  request.run_ahead_limit_chunks = 65;
  EXPECT_THAT(std::string(SubmitStatus(request).message()), HasSubstr("run_ahead_limit_chunks is 65"));
  request = Request(1, 1);
  request.target = 3;
  EXPECT_THAT(std::string(SubmitStatus(request).message()), HasSubstr("target is 3 tenths"));
  request = Request(1, 1);
  request.playout_start_buffer = absl::Seconds(-1);
  EXPECT_THAT(std::string(SubmitStatus(request).message()), HasSubstr("playout_start_buffer is -1s"));
  request = Request(1, 1);
  request.run_ahead_limit_chunks = 64;
  const TestSession session = Submit(request);
  EXPECT_EQ(scheduler_->AddCredits(session.id, -1, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scheduler_->AddCredits(session.id, 0, -1).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace videodiffcr
