// Random walks through the protocol: a client that does anything in any order, with breaks at any moment, against a
// model of what it must see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/rpc/session_call.h"
#include "server/rpc/session_requests.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

constexpr int kWalks = 150;
constexpr int64_t kLength = 12;
constexpr int kStormyMoves = 300;
constexpr unsigned kRead = 4;

class SessionWalkTest : public CallFixture {
 protected:
  // What the client knows, over all its calls.
  struct Client {
    std::string token, session_id;
    std::vector<std::string> payloads;
    int64_t last_event = 0;
    int64_t finished = 0;
    bool paused = false;
  };
  struct Call {
    FakeTransport transport;
    std::shared_ptr<SessionCall> call;
    size_t read = 0;  // responses that the client has seen
    ~Call() { call->OnCancel(); }
  };

  SessionWalkTest() { environment_.limits.disconnect_grace = absl::Seconds(30); }

  static v1::SessionConfig WalkConfig() {
    v1::SessionConfig config = Config(kLength);
    config.set_resumable(true);
    config.set_initial_chunk_credits(kLength);
    return config;
  }
  std::unique_ptr<Call> NewCall() {
    auto call = std::make_unique<Call>();
    call->call = SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:6", {}, nullptr}, environment_,
                                     &call->transport);
    return call;
  }

  // Takes what the server has written, if anything.
  void Read(Call* call, Client* client) {
    const std::vector<v1::StreamVideoResponse> responses = call->transport.responses();
    for (; call->read < responses.size(); ++call->read) See(responses[call->read], client);
    if (call->transport.TakeWrite()) call->call->OnWriteDone(true);
  }
  void See(const v1::StreamVideoResponse& response, Client* client) {
    if (response.has_started()) {
      client->token = response.started().resume_token();
      client->session_id = response.started().session_id();
      EXPECT_EQ(response.started().next_sequence(), static_cast<int64_t>(client->payloads.size()));
      return;
    }
    if (response.event_number() <= client->last_event) return;  // seen on another call
    EXPECT_EQ(response.event_number(), client->last_event + 1) << "something was lost";
    client->last_event = response.event_number();
    if (response.has_chunk()) {
      EXPECT_EQ(response.chunk().sequence(), static_cast<int64_t>(client->payloads.size()));
      client->payloads.push_back(response.chunk().payload());
    }
    if (response.has_finished()) ++client->finished;
  }
  // The connection goes at once, whatever is in flight; the client has seen what `seen` says.
  void Break(Call* call) {
    if (call->transport.TakeWrite()) call->call->OnWriteDone(false);
    call->call->OnCancel();
  }
  std::unique_ptr<Call> Reconnect(const Client& client) {
    std::unique_ptr<Call> call = NewCall();
    v1::ResumeRequest resume;
    resume.set_resume_token(client.token);
    if (!client.payloads.empty()) resume.set_last_sequence(static_cast<int64_t>(client.payloads.size()) - 1);
    call->call->Resume(resume);
    return call;
  }
  v1::StreamVideoRequest RandomControl(std::mt19937* random, Client* client) {
    v1::StreamVideoRequest request;
    switch ((*random)() % 6) {
      case 0:
        request.mutable_pause();
        client->paused = true;
        break;
      case 1:
        request.mutable_unpause();
        client->paused = false;
        break;
      case 2:
        request.mutable_credit()->set_chunks(1);
        break;
      case 3:
        request.mutable_update()->set_retention_target(1.0);
        break;
      default:
        if (!client->payloads.empty()) {
          request.mutable_ack()->set_sequence(
              static_cast<int64_t>((*random)() % static_cast<unsigned>(client->payloads.size())));
        } else {
          request.mutable_credit()->set_chunks(1);
        }
    }
    return request;
  }
  std::vector<std::string> Uninterrupted() {
    Client client;
    const auto call = NewCall();
    call->call->Start(WalkConfig());
    while (!call->transport.end().has_value()) {
      EXPECT_TRUE(call->transport.WaitForWriteOrEnd());
      Read(call.get(), &client);
    }
    return client.payloads;
  }
};

TEST_F(SessionWalkTest, WhateverHappensNothingIsLostDoubledOrChanged) {
  const std::vector<std::string> whole = Uninterrupted();
  ASSERT_EQ(whole.size(), static_cast<size_t>(kLength));
  for (int walk = 0; walk < kWalks; ++walk) {
    SCOPED_TRACE(walk);
    std::mt19937 random(walk);
    Client client;
    std::vector<std::unique_ptr<Call>> calls;  // old ones stay, and may still say something
    calls.push_back(NewCall());
    calls.back()->call->Start(WalkConfig());
    ASSERT_TRUE(calls.back()->transport.WaitForWriteOrEnd());
    Read(calls.back().get(), &client);  // `started`
    for (int move = 0; move < 2 * kStormyMoves && client.finished == 0; ++move) {
      Call* const call = calls.back().get();
      // Every pause is an event that a resume tells again, so a client that never rests may never reach the next chunk.
      const unsigned what = move < kStormyMoves ? static_cast<unsigned>(random() % 8) : kRead;
      switch (what) {
        case 0:
          Break(call);
          calls.push_back(Reconnect(client));
          break;
        case 1:  // without a break: the one before is superseded
          calls.push_back(Reconnect(client));
          break;
        case 2:
          call->call->Control(RandomControl(&random, &client));
          break;
        case 3:  // a call of before says what it still has to say
          if (calls.size() > 1) {
            Client nobody;
            calls[random() % (calls.size() - 1)]->call->Control(RandomControl(&random, &nobody));
          }
          break;
        default:  // kRead
          if (client.paused) {
            v1::StreamVideoRequest unpause;
            unpause.mutable_unpause();
            call->call->Control(unpause);
            client.paused = false;
          }
          ASSERT_TRUE(call->transport.WaitForWriteOrEnd());
          Read(call, &client);
      }
      ASSERT_TRUE(!calls.back()->transport.end().has_value() || calls.back()->transport.end()->ok())
          << calls.back()->transport.end()->error_message();
    }
    EXPECT_EQ(client.payloads, whole);
    EXPECT_EQ(client.finished, 1);
    for (const auto& call : calls) {
      if (call->transport.TakeWrite()) call->call->OnWriteDone(true);
      if (!call->transport.end().has_value()) call->call->OnCancel();
    }
    v1::CancelSessionRequest cancel;
    cancel.set_session_id(client.session_id);
    cancel.set_resume_token(client.token);
    EXPECT_TRUE(CancelSession(environment_, Caller(), cancel).ok());
  }
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  EXPECT_EQ(delivery_metrics_.send_buffer_bytes->Value(), 0);
}

}  // namespace
}  // namespace videodiffcr
