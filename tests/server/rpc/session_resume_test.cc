// Sessions that outlive their calls: several calls, one after another or at once, for one session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/session_requests.h"
#include "tests/server/rpc/resume_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(SessionResumeTest, ACallThatBrokeOffIsGoneOnWithBehindItsLastChunkWithTheSameBytes) {
  const auto whole = Start(ResumableConfig(6));
  whole->ReadToTheEnd();
  const auto first = Start(ResumableConfig(6));
  first->Read(3);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  const auto second = Resume(token, 0);
  second->ReadToTheEnd();
  EXPECT_TRUE(second->transport.end()->ok()) << second->transport.end()->error_message();
  EXPECT_TRUE(second->Started().resumed());
  EXPECT_EQ(second->Started().session_id(), first->Started().session_id());
  EXPECT_EQ(second->Started().next_sequence(), 1);
  EXPECT_THAT(second->transport.Sequences(), ElementsAre(1, 2, 3, 4, 5));
  for (const v1::VideoChunk& chunk : second->transport.Chunks()) {
    EXPECT_EQ(chunk.payload(), whole->transport.Chunks()[chunk.sequence()].payload());
  }
  EXPECT_EQ(second->transport.responses().back().finished().chunks(), 6);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_resumes_total{result=\"resumed\"} 1\n"));
}

TEST_F(SessionResumeTest, ACallThatComesBackBeforeChunkZeroIsSentThatAloneAndWhole) {
  const auto whole = Start(WithFirstFragment(ResumableConfig(1), 2));
  whole->ReadToTheEnd();
  for (const bool fragment_in_flight : {false, true}) {
    const auto first = Start(WithFirstFragment(ResumableConfig(1), 2));
    ASSERT_TRUE(WaitUntilNoSessionRuns());
    if (fragment_in_flight) {
      while (first->transport.FirstFragments().empty()) first->ReadOne();
    }
    const std::string token = first->Started().resume_token();
    Break(first.get());
    const auto second = Resume(token, std::nullopt);
    second->ReadToTheEnd();
    EXPECT_TRUE(second->transport.end()->ok()) << second->transport.end()->error_message();
    EXPECT_THAT(second->transport.FirstFragments(), IsEmpty());
    ASSERT_THAT(second->transport.Sequences(), ElementsAre(0));
    EXPECT_TRUE(second->transport.Chunks()[0].payload() == whole->transport.Chunks()[0].payload());
  }
}

TEST_F(SessionResumeTest, EventsKeepTheirNumbers) {
  const auto first = Start(ResumableConfig(3));
  first->Read(2);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  const auto second = Resume(token, std::nullopt);
  second->ReadToTheEnd();
  EXPECT_EQ(second->transport.responses()[0].event_number(), 0) << "started";
  for (size_t i = 1; i < first->transport.responses().size(); ++i) {
    EXPECT_EQ(first->transport.responses()[i].event_number(), second->transport.responses()[i].event_number());
    EXPECT_EQ(first->transport.responses()[i].response_case(), second->transport.responses()[i].response_case());
  }
}

TEST_F(SessionResumeTest, WhatIsNotKeptAnyMoreIsDataLossAndTheSessionWaitsOn) {
  environment_.replay_limits.chunks = 2;
  const auto first = Start(ResumableConfig(6));
  first->Read(5);
  first->ReadOne();
  const std::string token = first->Started().resume_token();
  Break(first.get());
  const auto lost = Resume(token, 0);
  ASSERT_TRUE(lost->transport.end().has_value());
  EXPECT_EQ(lost->transport.end()->error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(lost->Details(), HasSubstr("REPLAY_WINDOW_LOST"));
  const auto good = Resume(token, 4);
  good->ReadToTheEnd();
  EXPECT_THAT(good->transport.Sequences(), ElementsAre(5));
}

TEST_F(SessionResumeTest, AcknowledgedChunksAreNotKept) {
  const auto first = Start(ResumableConfig(6));
  first->Read(3);
  v1::StreamVideoRequest ack;
  ack.mutable_ack()->set_sequence(1);
  first->call->Control(ack);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  EXPECT_EQ(Resume(token, 0)->transport.end()->error_code(), grpc::StatusCode::DATA_LOSS);
  const auto second = Resume(token, 1);
  second->Read(1);
  EXPECT_THAT(second->transport.Sequences(), ElementsAre(2));
}

TEST_F(SessionResumeTest, AnAckOfAChunkThatWasNeverSentEndsTheCallAndNamesTheField) {
  const auto call = Start(ResumableConfig(0));
  v1::StreamVideoRequest ack;
  ack.mutable_ack()->set_sequence(1000);
  call->call->Control(ack);
  call->ReadToTheEnd();
  EXPECT_EQ(call->transport.end()->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(call->transport.end()->error_message(), HasSubstr("ack.sequence"));
}

TEST_F(SessionResumeTest, AWrongTokenIsUnauthenticatedAndThatOfASessionThatIsOverDataLoss) {
  const auto wrong = Resume("session-1." + std::string(64, '0'), std::nullopt);
  EXPECT_EQ(wrong->transport.end()->error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(wrong->Details(), HasSubstr("RESUME_TOKEN_INVALID"));
  const auto over = Resume(tokens_.Make(TokenKind::kControl, "session-1", ""), std::nullopt);
  EXPECT_EQ(over->transport.end()->error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(over->Details(), HasSubstr("REPLAY_WINDOW_LOST"));
}

TEST_F(SessionResumeTest, OfTwoCallsTheLaterHasTheSessionAndTheEarlierIsTold) {
  const auto first = Start(ResumableConfig(5));
  first->Read(1);
  const std::string token = first->Started().resume_token();
  const auto second = Resume(token, 0);
  if (first->transport.TakeWrite()) first->call->OnWriteDone(true);
  ASSERT_TRUE(first->transport.end().has_value());
  EXPECT_EQ(first->transport.end()->error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(first->Details(), HasSubstr("SUPERSEDED"));
  first->call->OnCancel();                                       // what gRPC still has to say of it
  first->call->Fail(absl::InternalError("what it still says"));  // harms nobody
  second->ReadToTheEnd();
  EXPECT_TRUE(second->transport.end()->ok()) << second->transport.end()->error_message();
  EXPECT_THAT(second->transport.Sequences(), ElementsAre(1, 2, 3, 4));
}

TEST_F(SessionResumeTest, ASessionThatNobodyComesBackToEndsWhenTheGraceIsOver) {
  const auto first = Start(ResumableConfig(0));
  first->Read(1);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  EXPECT_EQ(model_.live_sessions(), 1) << "it waits";
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Seconds(30));
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  EXPECT_TRUE(WaitUntil([this] { return delivery_metrics_.send_buffer_bytes->Value() == 0; }));
  EXPECT_EQ(Resume(token, 0)->transport.end()->error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(SessionResumeTest, ASessionThatWaitsIsHeldAtTheHighMarkOfItsOutbox) {
  const auto first = Start(ResumableConfig(0));
  first->Read(1);
  Break(first.get());
  // Four wait, and three more may have been on their way.
  ASSERT_TRUE(WaitUntil([this] { return model_.decodes_begun() >= 4; }));
  EXPECT_TRUE(WaitUntil([this] {
    return scheduler_metrics_.of(PriorityClass::kStandard)
               .sessions[static_cast<int>(SessionState::kBlocked)]
               ->Value() == 1;
  })) << Scrape();
  EXPECT_LE(model_.decodes_begun(), 9);
}

TEST_F(SessionResumeTest, TheLastChunksOfASessionThatIsOverWaitForItsClientToo) {
  const auto first = Start(ResumableConfig(3));
  first->Read(1);
  ASSERT_TRUE(WaitUntilNoSessionRuns());
  const std::string token = first->Started().resume_token();
  Break(first.get());
  const auto second = Resume(token, 0);
  second->ReadToTheEnd();
  EXPECT_TRUE(second->transport.end()->ok());
  EXPECT_THAT(second->transport.Sequences(), ElementsAre(1, 2));
  const auto third = Resume(token, 2);
  third->ReadToTheEnd();
  EXPECT_TRUE(third->transport.end()->ok()) << "the end itself may have been lost";
  EXPECT_THAT(third->transport.Sequences(), IsEmpty());
}

TEST_F(SessionResumeTest, TheSameStartAgainIsGivenTheSameSessionFromItsBeginning) {
  v1::SessionConfig config = ResumableConfig(3);
  config.set_request_id("order-17");
  const auto first = Start(config);
  first->Read(1);
  Break(first.get());
  const auto second = Start(config);
  second->ReadToTheEnd();
  EXPECT_EQ(second->Started().session_id(), first->Started().session_id());
  EXPECT_THAT(second->transport.Sequences(), ElementsAre(0, 1, 2));
}

TEST_F(SessionResumeTest, AnotherStartUnderAnIdInUseIsRefused) {
  v1::SessionConfig config = ResumableConfig(3);
  config.set_request_id("order-17");
  const auto first = Start(config);
  first->Read(1);
  config.set_prompt("a blue square");
  const auto other = Start(config);
  EXPECT_EQ(other->transport.end()->error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(other->Details(), HasSubstr("REQUEST_ID_IN_USE"));
}

TEST_F(SessionResumeTest, ANewCallIsToldWhichControlsArrivedAndAnOldOneHasNoSayAnyMore) {
  const auto first = Start(ResumableConfig(0));
  first->Read(1);
  first->call->Control(Update("a blue square"));
  v1::StreamVideoRequest ack;
  ack.mutable_ack()->set_sequence(0);
  first->call->Control(ack);
  const std::string token = first->Started().resume_token();
  const auto second = Resume(token, 0);
  first->call->Control(Update("too late"));
  second->Read(1);
  EXPECT_EQ(second->Started().controls_received(), 1);
  const auto third = Resume(token, 0);
  third->Read(1);
  EXPECT_EQ(third->Started().controls_received(), 1);
}

TEST_F(SessionResumeTest, ASessionThatDidNotAskForItEndsWithItsCall) {
  const auto first = Start(Config(0));
  first->Read(1);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  EXPECT_EQ(Resume(token, 0)->transport.end()->error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(SessionResumeTest, ControlsFromBesideTheCallNeedTheTokenOfThatSession) {
  const auto call = Start(ResumableConfig(0));
  call->Read(1);
  v1::UpdateSessionRequest update;
  update.set_session_id(call->Started().session_id());
  update.set_resume_token(tokens_.Make(TokenKind::kControl, "session-2", ""));
  update.mutable_finish();
  EXPECT_EQ(UpdateSession(environment_, Caller(), update).code(), absl::StatusCode::kUnauthenticated);
  update.set_resume_token(call->Started().resume_token());
  update.mutable_update();
  EXPECT_EQ(UpdateSession(environment_, Caller(), update).code(), absl::StatusCode::kInvalidArgument)
      << "an empty change";
  EXPECT_FALSE(call->transport.end().has_value()) << "which is nothing to the session";
  update.mutable_update()->set_prompt("a blue square");
  EXPECT_TRUE(UpdateSession(environment_, Caller(), update).ok());
  update.mutable_finish();
  EXPECT_TRUE(UpdateSession(environment_, Caller(), update).ok());
  call->ReadToTheEnd();
  EXPECT_TRUE(call->transport.end()->ok());
  EXPECT_EQ(call->transport.responses().back().finished().reason(), "FINISH_REQUESTED");
}

TEST_F(SessionResumeTest, AChangeFromBesideTheCallThatComesTooLateIsToldToWhoeverMadeIt) {
  const auto call = Start(ResumableConfig(1));
  ASSERT_TRUE(WaitUntilNoSessionRuns());
  call->ReadOne();
  v1::UpdateSessionRequest update;
  update.set_session_id(call->Started().session_id());
  update.set_resume_token(call->Started().resume_token());
  update.mutable_update()->set_prompt("a blue square");
  EXPECT_EQ(UpdateSession(environment_, Caller(), update).code(), absl::StatusCode::kFailedPrecondition);
  call->ReadToTheEnd();
  EXPECT_TRUE(call->transport.end()->ok());
}

TEST_F(SessionResumeTest, CancelSessionEndsASessionOnItsCallAndOneThatWaits) {
  const auto connected = Start(ResumableConfig(0));
  const auto waiting = Start(ResumableConfig(0));
  for (Call* call : {connected.get(), waiting.get()}) call->Read(1);
  Break(waiting.get());
  for (const Call* call : {connected.get(), waiting.get()}) {
    v1::CancelSessionRequest request;
    request.set_session_id(call->Started().session_id());
    EXPECT_EQ(CancelSession(environment_, Caller(), request).code(), absl::StatusCode::kUnauthenticated);
    request.set_resume_token(call->Started().resume_token());
    EXPECT_TRUE(CancelSession(environment_, Caller(), request).ok());
    EXPECT_TRUE(CancelSession(environment_, Caller(), request).ok()) << "again";
  }
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  connected->ReadToTheEnd();
  EXPECT_EQ(connected->transport.end()->error_code(), grpc::StatusCode::CANCELLED);
}

// A connection that is full before its session has an id. Without credits no chunk begins before that is known.
TEST_F(SessionResumeTest, AMarkThatIsCrossedBeforeTheSessionHasAnIdHoldsTheSession) {
  v1::SessionConfig config = Config(3);
  config.set_initial_chunk_credits(0);
  absl::StatusOr<SessionPlan> plan = ConvertConfig(config, false, model_, environment_.limits);
  ASSERT_TRUE(plan.ok());
  const auto session = ServedSession::Create(environment_, *plan, Caller(), "", clock_.Now());
  scheduler_clock_.SetHook([&session] { session->OnRoomChanged(0); });
  ASSERT_TRUE(session->Submit(*std::move(plan)).ok());
  const auto blocked = [this] {
    return scheduler_metrics_.of(PriorityClass::kStandard).sessions[static_cast<int>(SessionState::kBlocked)]->Value();
  };
  EXPECT_TRUE(WaitUntil([&] { return blocked() == 1; }));
  v1::StreamVideoRequest credit;
  credit.mutable_credit()->set_chunks(3);
  ASSERT_TRUE(session->Control(credit, std::nullopt).ok());
  EXPECT_EQ(blocked(), 1);
  session->OnRoomChanged(4);
  EXPECT_TRUE(WaitUntilNoSessionRuns());
}

}  // namespace
}  // namespace videodiffcr
