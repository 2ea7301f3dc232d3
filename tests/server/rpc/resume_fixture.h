// Calls of sessions that outlive them: each with a transport of its own, one after another or at once.
#ifndef VIDEODIFFCR_TESTS_SERVER_RPC_RESUME_FIXTURE_H_
#define VIDEODIFFCR_TESTS_SERVER_RPC_RESUME_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/rpc/session_call.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {

// One more call, with a transport of its own.
struct Call {
  FakeTransport transport;
  std::shared_ptr<SessionCall> call;

  // Else the session might still write to the transport.
  ~Call() { call->OnCancel(); }
  // Lets writes through until `count` chunks have been written, or to the end.
  void Read(int count) {
    while (!transport.end().has_value() && static_cast<int>(transport.Chunks().size()) < count) ReadOne();
  }
  void ReadOne() {
    ASSERT_TRUE(transport.WaitForWriteOrEnd());
    if (transport.TakeWrite()) call->OnWriteDone(true);
  }
  void ReadToTheEnd() {
    while (!transport.end().has_value()) ASSERT_NO_FATAL_FAILURE(ReadOne());
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
  std::shared_ptr<Tenant> tenant_;  // who makes the next calls; null: nobody asks
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SERVER_RPC_RESUME_FIXTURE_H_
