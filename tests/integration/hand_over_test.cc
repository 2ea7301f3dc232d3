// Sessions that outlive their servers, over real sockets, by the C++ client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/call_status.h"
#include "client/video_client.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"

namespace videodiffcr {
namespace {

// The client begins at whichever answers first, on a busy machine not always the first of its list: that one is `first`
// from then on.
std::unique_ptr<VideoClient> Connect(std::unique_ptr<TestServer>& first, std::unique_ptr<TestServer>& second) {
  auto client = *VideoClient::Connect(absl::StrCat(first->address(), ",", second->address()), absl::Seconds(20));
  if (client->address(0) != first->address()) std::swap(first, second);
  return client;
}

struct Received {
  std::vector<std::string> payloads;
  std::vector<int64_t> changes;  // update ids that took effect
  int64_t hand_overs = 0;
  absl::Status end;
};

// Reads a session to its end; `behind_chunk` is called behind each.
Received Read(VideoClient* client, const v1::SessionConfig& config,
              const std::function<void(VideoCall*, int64_t)>& behind_chunk) {
  const auto call = client->StreamVideo(config);
  Received received;
  while (const auto response = call->Next()) {
    if (response->has_update_applied()) received.changes.push_back(response->update_applied().update_id());
    if (!response->has_chunk()) continue;
    EXPECT_EQ(response->chunk().sequence(), static_cast<int64_t>(received.payloads.size()));
    received.payloads.push_back(response->chunk().payload());
    behind_chunk(call.get(), response->chunk().sequence());
  }
  received.end = call->Finish();
  received.hand_overs = call->hand_overs();
  return received;
}

TEST(HandOverTest, WhereAServerDrainsAnotherGoesOnAndNothingIsLostDoubledOrChanged) {
  ServerConfig config = TestConfig();
  config.rpc_limits.control_message_burst = 1000;  // of the model's chunks, which cost nothing
  auto first = std::make_unique<TestServer>(config), second = std::make_unique<TestServer>(config);
  const auto client = Connect(first, second);
  const auto nothing = [](VideoCall*, int64_t) {};
  const Received whole = Read(client.get(), RawConfig(100, 7), nothing);
  ASSERT_TRUE(whole.end.ok()) << whole.end;
  std::thread drain;
  const Received moved =
      Read(client.get(), WithChunkCredits(RawConfig(100, 7), 4), [&](VideoCall* call, int64_t sequence) {
        call->Send(ChunkCreditRequest(1));
        if (sequence == 2) drain = std::thread([&first] { first->Drain(); });
      });
  drain.join();
  EXPECT_TRUE(moved.end.ok()) << moved.end;
  EXPECT_EQ(moved.hand_overs, 1);
  EXPECT_EQ(moved.payloads, whole.payloads);
  EXPECT_GT(second->model().decodes_begun(), 0);
}

TEST(HandOverTest, AFullServerSendsASessionToTheNext) {
  ServerConfig small = TestConfig();
  small.scheduler.max_sessions = 1;
  small.scheduler.max_waiting_sessions = 0;
  auto first = std::make_unique<TestServer>(small), second = std::make_unique<TestServer>(small);
  const auto client = Connect(first, second);
  const auto running = client->StreamVideo(WithChunkCredits(RawConfig(0, 1), 1));
  while (!running->Next()->has_chunk()) {
  }
  const Received next = Read(client.get(), RawConfig(2, 1), [](VideoCall*, int64_t) {});
  EXPECT_TRUE(next.end.ok()) << next.end;
  EXPECT_EQ(next.payloads.size(), 2u);
  EXPECT_EQ(next.hand_overs, 0) << "it had not begun";
  EXPECT_EQ(first->model().live_sessions(), 1);
  EXPECT_EQ(second->model().decodes_begun(), 2);
}

TEST(HandOverTest, ADrainedServerWithoutAnotherIsTheEndAndSaysSo) {
  auto only = std::make_unique<TestServer>();
  const auto client = *VideoClient::Connect(only->address(), absl::Seconds(20));
  std::thread drain;
  const Received received = Read(client.get(), WithChunkCredits(RawConfig(0, 7), 1),
                                 [&](VideoCall*, int64_t) { drain = std::thread([&only] { only->Drain(); }); });
  drain.join();
  EXPECT_TRUE(absl::IsAborted(received.end)) << received.end;
}

}  // namespace
}  // namespace videodiffcr
