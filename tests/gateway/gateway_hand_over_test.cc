// Live sessions and jobs of a gateway whose servers drain, before whole servers with the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/video_client.h"
#include "tests/gateway/gateway_fixture.h"
#include "tests/gateway/http_client.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/server/media/video_judge.h"
#include "threading/clock.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ServerConfig OneSession() {
  ServerConfig config = TestConfig();
  config.scheduler.max_sessions = 1;
  config.scheduler.max_waiting_sessions = 0;
  config.metrics_listen = "127.0.0.1:0";
  return config;
}

class GatewayHandOverTest : public GatewayTest {
 protected:
  GatewayHandOverTest()
      : GatewayTest(&clock_),
        first_(std::make_unique<TestServer>(OneSession())),
        second_(std::make_unique<TestServer>(OneSession())) {
    config_.servers = {first_->address(), second_->address()};
  }

  // Whichever server got to it first has the session; from now on it is called the first, which makes nothing yet.
  void NameFirst() {
    const auto has_session = [](TestServer& server) { return server.model().live_sessions() > 0; };
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (!has_session(*first_) && !has_session(*second_)) ASSERT_LT(absl::Now(), deadline);
    if (has_session(*second_)) std::swap(first_, second_);
    second_->model().FreePlans();
  }

  // Starts one that makes nothing yet. Its path.
  std::string StartHeld() {
    first_->model().HoldPlans();
    second_->model().HoldPlans();
    std::string live = Start();
    NameFirst();
    return live;
  }
  std::string Start() {
    const HttpAnswer answer = Ask("POST", "/live", R"({"prompt": "a", "seed": 7, "length_chunks": 6})");
    EXPECT_EQ(answer.status, 201) << answer.body;
    const Json session = Json::parse(answer.body, nullptr, false);
    return absl::StrCat("/live/", session.value("id", ""));
  }

  // The first server ends behind the chunk in progress.
  void DrainFirst() {
    ASSERT_TRUE(first_->model().WaitForHeldPlan().has_value());
    std::thread drain([this] { first_->Drain(); });
    first_->model().FreePlans();
    drain.join();
    first_.reset();
  }

  RealClock clock_;
  std::unique_ptr<TestServer> first_;
  std::unique_ptr<TestServer> second_;
};

TEST_F(GatewayHandOverTest, AnotherServerGoesOnWhereOneDrainsAndViewersSeeNoSeamAndAreToldOfIt) {
  const std::string live = StartHeld();
  HttpClient viewer(port());
  viewer.Request("GET", live + "/video.mp4");
  DrainFirst();
  const std::string bytes = viewer.ReadAnswer().body;
  const JudgedVideo video = ProbeVideo(bytes, "mp4");
  ASSERT_EQ(video.frames.size(), 9u + 5 * 12);
  for (size_t i = 1; i < video.frames.size(); ++i) {
    EXPECT_NEAR(video.frames[i].time_seconds - video.frames[i - 1].time_seconds, 1.0 / 16, 1e-3) << "frame " << i;
  }
  const std::string playlist = Ask("GET", live + "/index.m3u8").body;
  EXPECT_THAT(playlist, HasSubstr("\n0.m4s\n"));
  EXPECT_THAT(playlist, HasSubstr("\n5.m4s\n"));
  EXPECT_THAT(playlist, Not(HasSubstr("DISCONTINUITY")));
  const std::string events = Ask("GET", live + "/events").body;
  EXPECT_THAT(events, HasSubstr("event: server\ndata: {\"error\":"));
  EXPECT_THAT(events, HasSubstr("\"reason\":\"DRAINING\""));
  EXPECT_THAT(events, HasSubstr(absl::StrCat("{\"handed_over\":true,\"server\":\"", second_->address(),
                                             "\",\"state\":\"going_on\"}")));
  EXPECT_THAT(events, Not(HasSubstr("event: snapshot")));
  EXPECT_EQ(Get(live)["server"], second_->address());
  EXPECT_EQ(Get(live)["state"], "finished");
}

TEST_F(GatewayHandOverTest, ControlsThatComeWhileNoServerHasTheSessionWaitForTheNextAndTooManyAreToldWhenToTryAgain) {
  const auto client = *VideoClient::Connect(second_->address(), absl::Seconds(20));
  const auto running = client->StreamVideo(WithChunkCredits(RawConfig(0, 1), 1), {.patience = absl::ZeroDuration()});
  while (!running->Next()->has_chunk()) {
  }
  first_->model().HoldPlans();
  const std::string live = Start();  // at the first, for the second is full
  DrainFirst();
  ASSERT_TRUE(WaitFor(live, "state", "away"));
  const HttpAnswer kept = Ask("POST", live + "/budget", R"({"budget": 0.7})");
  EXPECT_EQ(kept.status, 202);
  EXPECT_EQ(Json::parse(kept.body), Json({{"accepted", true}, {"sent", false}}));
  HttpAnswer next = kept;
  for (int i = 1; i <= 16; ++i) next = Ask("POST", live + "/unpause");
  EXPECT_EQ(next.status, 503);
  EXPECT_EQ(next.headers["retry-after"], "1");
  EXPECT_THAT(next.body, HasSubstr("SERVER_AWAY"));
  second_->model().HoldPlans();
  running->Cancel();
  EXPECT_TRUE(second_->WaitForMetric("videodiffcr_control_messages_total{result=\"accepted\",type=\"update\"}", 1));
  second_->model().FreePlans();
  const std::string events = Ask("GET", live + "/events").body;  // to the end
  EXPECT_THAT(events, HasSubstr("event: update_applied"));
  EXPECT_EQ(Get(live)["state"], "finished");
  EXPECT_EQ(Get(live)["request"]["changes"][0]["budget"], 0.7);
  EXPECT_GE(Get(live)["request"]["changes"][0]["chunk"], 1) << "not before what viewers had seen";
}

TEST_F(GatewayHandOverTest, AJobIsMadeToItsEndByAnotherServer) {
  first_->model().HoldPlans();
  second_->model().HoldPlans();
  const Json job = Json::parse(Ask("POST", "/v1/videos", R"({"prompt": "a", "seconds": "3"})").body, nullptr, false);
  const std::string path = absl::StrCat("/v1/videos/", job.value("id", ""));
  NameFirst();
  DrainFirst();
  ASSERT_TRUE(WaitFor(path, "status", "completed")) << Get(path);
  EXPECT_EQ(ProbeVideo(Ask("GET", path + "/content").body, "mp4").frames.size(), 9u + 4 * 12);
}

TEST_F(GatewayHandOverTest, ASessionThatNoServerGoesOnWithEndsWithWhyItBrokeOff) {
  config_.servers = {first_->address()};
  config_.server_patience = absl::Milliseconds(100);
  const std::string live = StartHeld();
  DrainFirst();
  ASSERT_TRUE(WaitFor(live, "state", "failed"));
  EXPECT_EQ(Get(live)["error"]["reason"], "DRAINING");
  EXPECT_EQ(Ask("POST", live + "/pause").status, 409);
}

}  // namespace
}  // namespace videodiffcr
