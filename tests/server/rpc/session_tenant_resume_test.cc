// Sessions of tenants that outlive their calls: whose they are, and the place that they keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/session_requests.h"
#include "tests/server/rpc/resume_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace videodiffcr
