// Sessions that outlive their calls: several calls, one after another or at once, for one session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/session_call.h"
#include "server/rpc/session_requests.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One more call, with a transport of its own.
struct Call {
  FakeTransport transport;
  std::shared_ptr<SessionCall> call;

  // Else the session might still write to the transport.
  ~Call() { call->OnCancel(); }
  // Lets writes through until `count` chunks have been written, or to the end.
  void Read(int count) {
    while (!transport.end().has_value() && static_cast<int>(Chunks().size()) < count) ReadOne();
  }
  void ReadOne() {
    ASSERT_TRUE(transport.WaitForWriteOrEnd());
    if (transport.TakeWrite()) call->OnWriteDone(true);
  }
  void ReadToTheEnd() {
    while (!transport.end().has_value()) ASSERT_NO_FATAL_FAILURE(ReadOne());
  }
  std::vector<v1::VideoChunk> Chunks() const {
    std::vector<v1::VideoChunk> chunks;
    for (const v1::StreamVideoResponse& response : transport.responses()) {
      if (response.has_chunk()) chunks.push_back(response.chunk());
    }
    return chunks;
  }
  std::vector<int64_t> Sequences() const {
    std::vector<int64_t> sequences;
    for (const v1::VideoChunk& chunk : Chunks()) sequences.push_back(chunk.sequence());
    return sequences;
  }
  v1::SessionStarted Started() const { return transport.responses().front().started(); }
  std::string Details() const { return transport.end()->error_details(); }
};

class SessionResumeTest : public CallFixture {
 protected:
  SessionResumeTest() { environment_.limits.disconnect_grace = absl::Seconds(30); }

  static v1::SessionConfig ResumableConfig(int length_chunks) {
    v1::SessionConfig config = Config(length_chunks);
    config.set_resumable(true);
    return config;
  }
  std::unique_ptr<Call> NewCall() {
    auto call = std::make_unique<Call>();
    call->call = SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:6", {}, tenant_}, environment_,
                                     &call->transport);
    return call;
  }
  std::unique_ptr<Call> Start(const v1::SessionConfig& config) {
    std::unique_ptr<Call> call = NewCall();
    call->call->Start(config);
    return call;
  }
  std::unique_ptr<Call> Resume(const std::string& token, std::optional<int64_t> last_sequence) {
    std::unique_ptr<Call> call = NewCall();
    v1::ResumeRequest resume;
    resume.set_resume_token(token);
    if (last_sequence.has_value()) resume.set_last_sequence(*last_sequence);
    call->call->Resume(resume);
    return call;
  }
  // The connection under the call is gone.
  void Break(Call* call) {
    if (call->transport.TakeWrite()) call->call->OnWriteDone(false);
    call->call->OnCancel();
  }
  // As of one who is refused: what the client reads.
  std::string Refusal(const Call& call) const {
    return absl::StrCat(call.transport.end()->error_code(), " ", call.transport.end()->error_message());
  }
  // Whether the tenant could start one more session now.
  bool HasPlace() const {
    if (tenant_->EnterSession().has_value()) return false;
    tenant_->LeaveSession();
    return true;
  }

  AccessMetrics access_metrics_{&metrics_};
  std::shared_ptr<Tenant> tenant_;  // who makes the next calls; null: nobody asks
};

class TenantResumeTest : public SessionResumeTest {
 protected:
  TenantResumeTest() {
    environment_.access.metrics = &access_metrics_;
    tenant_ = acme_;
  }
  static TenantLimits OneSession() {
    TenantLimits limits;
    limits.max_sessions = 1;
    return limits;
  }

  const std::shared_ptr<Tenant> acme_ = std::make_shared<Tenant>("acme", OneSession());
  const std::shared_ptr<Tenant> other_ = std::make_shared<Tenant>("other", TenantLimits());
};

TEST_F(TenantResumeTest, TheTokenOfASessionIsWorthNothingToAnotherTenant) {
  const auto first = Start(ResumableConfig(0));
  first->Read(1);
  const v1::SessionStarted started = first->Started();
  const Caller stranger = {"ipv4:127.0.0.1:6", {}, other_};
  v1::UpdateSessionRequest update;
  update.set_session_id(started.session_id());
  update.set_resume_token(started.resume_token());
  update.mutable_finish();
  v1::UpdateSessionRequest wrong = update;
  wrong.set_resume_token("wrong");
  EXPECT_EQ(UpdateSession(environment_, stranger, update).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(UpdateSession(environment_, stranger, update), UpdateSession(environment_, stranger, wrong));
  v1::CancelSessionRequest cancel;
  cancel.set_session_id(started.session_id());
  cancel.set_resume_token(started.resume_token());
  EXPECT_EQ(CancelSession(environment_, stranger, cancel), UpdateSession(environment_, stranger, wrong));
  v1::WatchSessionRequest watch;
  watch.set_session_id(started.session_id());
  watch.set_watch_token(started.watch_token());
  EXPECT_EQ(FindWatchedSession(environment_, stranger, watch).status().code(), absl::StatusCode::kUnauthenticated);
  tenant_ = other_;
  EXPECT_EQ(Refusal(*Resume(started.resume_token(), 0)), Refusal(*Resume("wrong", 0)));
  EXPECT_EQ(Resume(started.resume_token(), 0)->transport.end()->error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_FALSE(first->transport.end().has_value());
  const Caller owner = {"ipv4:127.0.0.1:7", {}, acme_};
  EXPECT_TRUE(FindWatchedSession(environment_, owner, watch).ok());
  EXPECT_TRUE(CancelSession(environment_, owner, cancel).ok());
  first->ReadToTheEnd();
  EXPECT_EQ(first->transport.end()->error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(TenantResumeTest, ASessionThatWaitsForItsClientKeepsItsPlaceWithTheTenant) {
  const auto first = Start(ResumableConfig(0));
  first->Read(2);
  const std::string token = first->Started().resume_token();
  Break(first.get());
  EXPECT_FALSE(HasPlace());
  EXPECT_THAT(Start(Config(1))->Details(), HasSubstr("TENANT_QUOTA_EXCEEDED"));
  const auto second = Resume(token, 0);
  second->Read(1);
  EXPECT_FALSE(second->transport.end().has_value()) << "going on takes no place of its own";
  v1::CancelSessionRequest cancel;
  cancel.set_session_id(first->Started().session_id());
  cancel.set_resume_token(token);
  EXPECT_TRUE(CancelSession(environment_, Caller{"ipv4:127.0.0.1:6", {}, acme_}, cancel).ok());
  EXPECT_TRUE(HasPlace());
  second->ReadToTheEnd();
}

TEST_F(TenantResumeTest, ASessionThatIsDoneGivesItsPlaceBackThoughItIsKept) {
  const auto first = Start(ResumableConfig(2));
  first->ReadToTheEnd();
  EXPECT_TRUE(HasPlace());
  const auto again = Resume(first->Started().resume_token(), 0);
  again->ReadToTheEnd();
  EXPECT_TRUE(again->transport.end()->ok()) << again->transport.end()->error_message();
}

TEST_F(TenantResumeTest, TwoTenantsMayUseOneRequestId) {
  v1::SessionConfig config = ResumableConfig(0);
  config.set_request_id("mine");
  const auto first = Start(config);
  first->Read(1);
  tenant_ = other_;
  const auto second = Start(config);
  second->Read(1);
  EXPECT_NE(first->Started().session_id(), second->Started().session_id());
  EXPECT_FALSE(first->transport.end().has_value());
  first->call->Fail(absl::CancelledError("enough"));
  second->call->Fail(absl::CancelledError("enough"));
}

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
  EXPECT_THAT(second->Sequences(), ElementsAre(1, 2, 3, 4, 5));
  for (const v1::VideoChunk& chunk : second->Chunks()) {
    EXPECT_EQ(chunk.payload(), whole->Chunks()[chunk.sequence()].payload());
  }
  EXPECT_EQ(second->transport.responses().back().finished().chunks(), 6);
  EXPECT_THAT(Scrape(), HasSubstr("videodiffcr_resumes_total{result=\"resumed\"} 1\n"));
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
  EXPECT_THAT(good->Sequences(), ElementsAre(5));
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
  EXPECT_THAT(second->Sequences(), ElementsAre(2));
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
  EXPECT_THAT(second->Sequences(), ElementsAre(1, 2, 3, 4));
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
  EXPECT_THAT(second->Sequences(), ElementsAre(1, 2));
  const auto third = Resume(token, 2);
  third->ReadToTheEnd();
  EXPECT_TRUE(third->transport.end()->ok()) << "the end itself may have been lost";
  EXPECT_THAT(third->Sequences(), IsEmpty());
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
  EXPECT_THAT(second->Sequences(), ElementsAre(0, 1, 2));
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

// A connection that is full before its session has an id.
TEST_F(SessionResumeTest, AMarkThatIsCrossedBeforeTheSessionHasAnIdHoldsTheSession) {
  absl::StatusOr<SessionPlan> plan = ConvertConfig(Config(3), false, model_, environment_.limits);
  ASSERT_TRUE(plan.ok());
  const auto session = ServedSession::Create(environment_, *plan, Caller(), "", clock_.Now());
  scheduler_clock_.SetHook([&session] { session->OnBlockedChanged(true); });
  model_.HoldPlans();  // else the session might be over before it has its id
  ASSERT_TRUE(session->Submit(*std::move(plan)).ok());
  model_.FreePlans();
  const auto blocked = [this] {
    return scheduler_metrics_.of(PriorityClass::kStandard).sessions[static_cast<int>(SessionState::kBlocked)]->Value();
  };
  EXPECT_TRUE(WaitUntil([&] { return blocked() == 1; }));
  session->OnBlockedChanged(false);
  EXPECT_TRUE(WaitUntilNoSessionRuns());
}

}  // namespace
}  // namespace videodiffcr
