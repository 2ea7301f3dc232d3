// One call between a transport that the test plays and a real scheduler around the fake model: what crosses on its way,
// what comes too late, and that the transport is used by its rules.
#include "server/rpc/session_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "proto/config_ranges.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Response = v1::StreamVideoResponse;
using SessionCallTest = CallFixture;

TEST_F(SessionCallTest, ASessionIsDescribedAsItWasAskedForAndAGoodOneIsNotWarned) {
  v1::SessionConfig config = Config(1);
  config.mutable_retention()->set_target(0.7);
  call_->Start(config);
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
  const v1::SessionStarted started = transport_.responses().front().started();
  EXPECT_EQ(started.model(), "fake");
  EXPECT_EQ(started.codec(), v1::CODEC_RAW_RGB24);
  EXPECT_EQ(started.container(), v1::CONTAINER_RAW);
  EXPECT_EQ(started.retention_target(), 0.7);
  EXPECT_EQ(started.seed(), 7u);
  EXPECT_THAT(Warnings(), SizeIs(0));
}

TEST_F(SessionCallTest, AFirstFragmentIsWhatChunkZeroBeginsWithAndComesOnceAheadOfIt) {
  call_->Start(WithFirstFragment(Config(2), 2));
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
  ASSERT_THAT(transport_.FirstFragments(), SizeIs(1));
  const v1::FirstFragment fragment = transport_.FirstFragments()[0];
  EXPECT_EQ(fragment.frame_count(), 2);
  EXPECT_EQ(fragment.payload().size(), 2u * 64 * 48 * 3);
  const v1::VideoChunk chunk = transport_.Chunks()[0];
  EXPECT_EQ(chunk.frame_count(), 9);
  EXPECT_TRUE(chunk.payload().substr(0, fragment.payload().size()) == fragment.payload());
  bool chunk_came = false;
  for (const Response& response : transport_.responses()) {
    chunk_came |= response.has_chunk();
    if (!response.has_first_fragment()) continue;
    EXPECT_FALSE(chunk_came);
    EXPECT_EQ(response.event_number(), 0);
  }
  EXPECT_EQ(transport_.responses().back().finished().payload_bytes(), (9 + 12) * 64 * 48 * 3) << "counted once";
}

TEST_F(SessionCallTest, WithoutBeingAskedForThereIsNoFirstFragment) {
  call_->Start(Config(2));
  ReadToTheEnd();
  EXPECT_THAT(transport_.FirstFragments(), SizeIs(0));
}

TEST_F(SessionCallTest, AChangeThatNoChunkIsLeftForIsAWarningAndCounted) {
  model_.HoldPlans();
  call_->Start(Config(0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  v1::StreamVideoRequest request;
  request.mutable_finish();
  call_->Control(request);
  call_->Control(Update("a blue square"));
  request.mutable_scene_cut();
  call_->Control(request);
  model_.FreePlans();
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok());
  ASSERT_THAT(Warnings(), SizeIs(2));
  EXPECT_EQ(Warnings()[0].reason(), "CHANGE_TOO_LATE");
  EXPECT_THAT(Scrape(), HasSubstr(Controls("accepted", "finish", 1)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 1)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "scene_cut", 1)));
}

TEST_F(SessionCallTest, AnyOtherControlThatFindsItsSessionGoneIsCountedAndNoMore) {
  call_->Start(Config(1));
  ASSERT_TRUE(WaitUntilNoSessionRuns());  // but its viewer has not read a word yet
  v1::StreamVideoRequest pause;
  pause.mutable_pause();
  call_->Control(pause);
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
  EXPECT_THAT(Warnings(), SizeIs(0));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "pause", 1)));
}

TEST_F(SessionCallTest, MoreChangesThanMayWaitForOneChunkEndTheCallWithAReasonOfTheirOwn) {
  model_.HoldPlans();
  call_->Start(Config(0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  for (int i = 0; i < 65; ++i) call_->Control(Update("a blue square"));
  model_.FreePlans();
  ReadToTheEnd();
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(transport_.end()->error_details(), HasSubstr("TOO_MANY_CHANGES"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("accepted", "update", 64)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("rejected", "update", 1)));
}

TEST_F(SessionCallTest, AChunkThatIsHandedOverAfterItsDeadlineIsAMiss) {
  v1::SessionConfig config = Config(3);
  config.mutable_playout()->mutable_start_buffer()->set_seconds(0);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilNoSessionRuns());
  // Chunk 1 is due when chunk 0 has played: 9 frames at 16 per second; chunk 2 after 12 more.
  clock_.Advance(absl::Seconds(1));
  ReadToTheEnd();
  std::vector<v1::VideoChunk> chunks;
  for (const Response& response : transport_.responses()) {
    if (response.has_chunk()) chunks.push_back(response.chunk());
  }
  ASSERT_THAT(chunks, SizeIs(3));
  EXPECT_FALSE(chunks[0].has_slack());
  EXPECT_LT(chunks[1].slack().nanos(), 0);
  EXPECT_GT(chunks[2].slack().nanos(), 0);
  EXPECT_EQ(transport_.responses().back().finished().deadline_misses(), 1);
}

// It has a limit of its own.
TEST_F(SessionCallTest, TheSchedulerTakesTheLongestRunAheadThatAClientMayAskFor) {
  v1::SessionConfig config = Config(1);
  config.set_run_ahead_limit_chunks(kMaxRunAheadChunks);
  call_->Start(config);
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
}

// A client may open its stream long before it knows what to ask for.
TEST_F(SessionCallTest, TheTimesOfASessionBeginWithItsFirstMessage) {
  clock_.Advance(absl::Seconds(5));
  call_->Start(Config(1));
  ReadToTheEnd();
  const v1::SessionFinished finished = transport_.responses().back().finished();
  EXPECT_EQ(finished.chunks(), 1);
  EXPECT_EQ(finished.wall_duration().seconds(), 0);
  EXPECT_EQ(finished.time_to_first_chunk().seconds(), 0);
}

// On a server with one place, which another call holds. Frames of 65 pixels cannot be H.264, which shows when the
// encoder is made and no earlier.
class FullServerTest : public CallFixture {
 protected:
  static ModelInfo OddInfo() {
    ModelInfo info = FakeVideoModel::SmallInfo();
    info.width = 65;
    return info;
  }
  void Fill(int max_waiting_sessions) {
    SchedulerConfig config;
    config.max_sessions = 1;
    config.max_waiting_sessions = max_waiting_sessions;
    odd_scheduler_ = *Scheduler::Create(config, &odd_model_, &scheduler_clock_, &scheduler_metrics_);
    environment_.model = &odd_model_;
    environment_.scheduler = odd_scheduler_.get();
    odd_model_.HoldPlans();
    first_ = NewCall(&first_transport_);
    first_->Start(Config(0));
    ASSERT_TRUE(odd_model_.WaitForHeldPlan().has_value());
    call_ = NewCall(&transport_);
    v1::SessionConfig h264 = Config(1);
    h264.mutable_output()->set_codec(v1::CODEC_H264);
    call_->Start(h264);
  }
  std::shared_ptr<SessionCall> NewCall(FakeTransport* transport) {
    return SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:5", {}, nullptr}, environment_,
                               transport);
  }
  ~FullServerTest() override {
    first_->OnCancel();
    odd_model_.FreePlans();
  }

  FakeTransport first_transport_;
  FakeVideoModel odd_model_{OddInfo()};
  std::unique_ptr<Scheduler> odd_scheduler_;
  std::shared_ptr<SessionCall> first_;
};

TEST_F(FullServerTest, NobodyIsRefusedByWayOfAnEncoder) {
  Fill(/*max_waiting_sessions=*/0);
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << transport_.end()->error_message();
}

TEST_F(FullServerTest, ASessionThatWaitsHasNoEncoderBeforeItHasItsPlaceButKnowsWhatItWillMake) {
  Fill(/*max_waiting_sessions=*/1);
  FinishOneWrite();
  EXPECT_EQ(transport_.responses().front().started().codec_string().substr(0, 9), "avc1.6400");
  FinishOneWrite();
  EXPECT_EQ(transport_.responses().back().state_changed().state(), v1::SESSION_STATE_WAITING);
  EXPECT_FALSE(transport_.end().has_value());
  first_->OnCancel();
  odd_model_.FreePlans();
  ReadToTheEnd();
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(transport_.end()->error_message(), HasSubstr("both sides must be even"));
}

TEST_F(SessionCallTest, ACancelledCallEndsOnceDropsWhatItHeldAndTakesItsSessionAlong) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  call_->ReadNext();
  EXPECT_EQ(transport_.reads(), 1);
  call_->OnCancel();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(delivery_metrics_.send_buffer_bytes->Value(), 0);
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  // What gRPC still has to say, and what was on its way.
  call_->OnWriteDone(false);
  call_->Control(Update("a blue square"));
  call_->Fail(absl::InternalError("too late"));
  call_->OnCancel();
  call_->ReadNext();
  EXPECT_EQ(transport_.reads(), 1);
  EXPECT_THAT(transport_.responses(), SizeIs(1));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
}

TEST_F(SessionCallTest, AFailureWaitsForTheWriteInFlightAndTheFirstOneStands) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  call_->Fail(absl::InternalError("first"));
  call_->Fail(absl::AbortedError("second"));
  EXPECT_FALSE(transport_.end().has_value());
  EXPECT_EQ(delivery_metrics_.send_buffer_bytes->Value(), 0) << "what waits is dropped";
  call_->Control(Update("a blue square"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  FinishOneWrite();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_message(), "first");
  EXPECT_THAT(transport_.responses(), SizeIs(1));
}

// Else the last bytes of ended sessions would pile up, each behind a client that has stopped.
TEST_F(SessionCallTest, AClientThatTakesNothingOfWhatIsLeftOfItsSessionIsCutOff) {
  call_->Start(Config(2));
  ASSERT_TRUE(model_.WaitForLiveSessions(0));
  ASSERT_TRUE(WaitUntil([this] { return transport_.alarm().has_value(); }));
  EXPECT_EQ(transport_.alarm(), absl::Seconds(60));
  call_->OnAlarm();
  EXPECT_TRUE(transport_.cut());
  call_->OnWriteDone(false);
  call_->OnCancel();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  call_->OnAlarm();  // late
}

TEST_F(SessionCallTest, AFailedCallWaitsForItsWriteInFlightNoLongerThanTheIdleTime) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(0);
  call_->Start(config);
  EXPECT_FALSE(transport_.alarm().has_value()) << "the session lives";
  call_->Fail(absl::InternalError("first"));
  EXPECT_EQ(transport_.alarm(), absl::Seconds(60));
}

TEST_F(SessionCallTest, ACallThatIsOverBeforeItsFirstMessageStartsNothing) {
  call_->Fail(absl::DeadlineExceededError("no first message"));
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  call_->Start(Config(0));
  EXPECT_FALSE(call_->started());
  EXPECT_EQ(scheduler_->load().active_sessions, 0);
  call_->Control(Update("a blue square"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
}

TEST_F(SessionCallTest, AClientThatLeavesWhileItsSessionIsSubmittedTakesTheSessionAlong) {
  scheduler_clock_.SetHook([this] { call_->OnCancel(); });
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(0);
  call_->Start(config);
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  prometheus::Counter* const cancelled =
      scheduler_metrics_.of(PriorityClass::kStandard).sessions_total[static_cast<int>(SessionOutcome::kCancelled)];
  EXPECT_TRUE(WaitUntil([&] { return cancelled->Value() == 1; }));
}

}  // namespace
}  // namespace videodiffcr
