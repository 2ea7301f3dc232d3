// The whole gateway on real sockets, before a whole server with the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gateway/gateway.h"
#include "tests/fakes/manual_clock.h"
#include "tests/gateway/gateway_fixture.h"
#include "tests/gateway/http_client.h"
#include "tests/integration/test_server.h"
#include "tests/server/media/video_judge.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ServerConfig WithMetrics() {
  ServerConfig config = TestConfig();
  config.metrics_listen = "127.0.0.1:0";
  return config;
}

class GatewayLiveTest : public GatewayTest {
 protected:
  explicit GatewayLiveTest(ServerConfig config = WithMetrics()) : GatewayTest(&clock_), server_(config) {
    config_.servers = {server_.address()};
  }

  // Starts a session; its id.
  std::string Start(const std::string& body, const std::string& headers = "") {
    const HttpAnswer answer = Ask("POST", "/live", body, headers);
    EXPECT_EQ(answer.status, 201) << answer.body;
    return Json::parse(answer.body, nullptr, false).value("id", "");
  }

  std::string Reason(const HttpAnswer& answer) {
    return Json::parse(answer.body, nullptr, false)["error"].value("reason", "");
  }

  bool WaitForState(const std::string& id, const std::string& state) { return WaitFor("/live/" + id, "state", state); }

  TestServer server_;
  ManualClock clock_;
};

constexpr char kShort[] = R"({"prompt": "a red circle", "seed": 7, "length_chunks": 3, "run_ahead_chunks": 64})";
constexpr char kEndless[] = R"({"prompt": "a red circle", "seed": 7})";

TEST_F(GatewayLiveTest, AStartedSessionIsAVideoThatFfprobeFindsNothingWrongWith) {
  const std::string id = Start(kShort);
  const HttpAnswer video = Ask("GET", absl::StrCat("/live/", id, "/video.mp4"));
  EXPECT_EQ(video.headers.at("content-type"), "video/mp4");
  EXPECT_EQ(ProbeVideo(video.body, "mp4").frames.size(), 9u + 12 + 12);
}

TEST_F(GatewayLiveTest, EveryViewerGetsTheSameBytesAlsoAfterTheEnd) {
  const std::string id = Start(kShort);
  const std::string target = absl::StrCat("/live/", id, "/video.mp4");
  HttpClient first(port());
  HttpClient second(port());
  first.Request("GET", target);
  second.Request("GET", target);
  const std::string bytes = first.ReadAnswer().body;
  EXPECT_EQ(second.ReadAnswer().body, bytes);
  EXPECT_EQ(Ask("GET", target).body, bytes);
  EXPECT_FALSE(bytes.empty());
}

TEST_F(GatewayLiveTest, ThePlaylistNamesSegmentsThatTogetherAreTheVideo) {
  const std::string id = Start(kShort);
  const std::string base = absl::StrCat("/live/", id, "/");
  const std::string video = Ask("GET", base + "video.mp4").body;
  const HttpAnswer playlist = Ask("GET", base + "index.m3u8");
  EXPECT_EQ(playlist.headers.at("content-type"), "application/vnd.apple.mpegurl");
  EXPECT_THAT(playlist.body, HasSubstr("#EXT-X-ENDLIST"));
  std::string joined;
  for (const char* name : {"init-0.mp4", "0.m4s", "1.m4s", "2.m4s"}) {
    EXPECT_THAT(playlist.body, HasSubstr(name));
    joined += Ask("GET", base + name).body;
  }
  EXPECT_EQ(joined, video);
  EXPECT_EQ(Ask("GET", base + "3.m4s").status, 404);
  EXPECT_EQ(Ask("GET", base + "-1.m4s").status, 404);
}

TEST_F(GatewayLiveTest, APlaylistOfWhatHasJustBegunNamesAsManySegmentsAsPlayersWant) {
  server_.model().HoldPlans();
  const std::string id = Start(kEndless);
  HttpClient player(port());
  player.Request("GET", absl::StrCat("/live/", id, "/index.m3u8"));
  server_.model().ReleasePlans(1000);
  EXPECT_THAT(player.ReadAnswer().body, HasSubstr("2.m4s"));
}

TEST_F(GatewayLiveTest, EventsTellTheSessionFromItsStartToItsEnd) {
  const std::string id = Start(kShort);
  const HttpAnswer events = Ask("GET", absl::StrCat("/live/", id, "/events"));
  EXPECT_EQ(events.headers.at("content-type"), "text/event-stream");
  for (const char* name : {"started", "chunk", "finished", "ended"}) {
    EXPECT_THAT(events.body, HasSubstr(absl::StrCat("event: ", name, "\n")));
  }
  EXPECT_THAT(events.body, Not(HasSubstr("payload\":\"A")));
  // Whoever was cut off goes on behind the last event it had.
  const HttpAnswer rest = Ask("GET", absl::StrCat("/live/", id, "/events"), "", "Last-Event-ID: 0\r\n");
  EXPECT_THAT(rest.body, Not(HasSubstr("event: started")));
  EXPECT_TRUE(absl::EndsWith(events.body, rest.body));
}

TEST_F(GatewayLiveTest, AChangeIsToldWithItsChunkAndTheLinkReplaysTheSameVideo) {
  server_.model().HoldPlans();
  const std::string id = Start(R"({"prompt": "a", "seed": 7, "length_chunks": 4, "run_ahead_chunks": 64})");
  const std::string base = absl::StrCat("/live/", id);
  ASSERT_TRUE(server_.model().WaitForHeldPlan().has_value());  // the first chunk has begun
  EXPECT_EQ(Ask("POST", base + "/prompt", R"({"prompt": "b"})").status, 202);
  EXPECT_TRUE(server_.WaitForMetric("videodiffcr_control_messages_total{result=\"accepted\",type=\"update\"}", 1));
  server_.model().FreePlans();
  const std::string video = Ask("GET", base + "/video.mp4").body;
  const Json described = Get(base);
  ASSERT_EQ(described["request"]["changes"].size(), 1u) << described;
  EXPECT_EQ(described["request"]["changes"][0]["prompt"], "b");
  EXPECT_THAT(Ask("GET", base + "/events").body, HasSubstr("event: update_applied"));
  const std::string replayed = Start(described["request"].dump());
  EXPECT_EQ(Ask("GET", absl::StrCat("/live/", replayed, "/video.mp4")).body, video);
  EXPECT_EQ(Get("/live/" + replayed)["request"]["changes"], described["request"]["changes"]);
}

TEST_F(GatewayLiveTest, FinishEndsASessionAndControlsAfterItAreRefused) {
  const std::string id = Start(kEndless);
  EXPECT_EQ(Ask("POST", absl::StrCat("/live/", id, "/finish")).status, 202);
  EXPECT_TRUE(WaitForState(id, "finished"));
  const Json described = Get(absl::StrCat("/live/", id));
  EXPECT_EQ(described["request"]["length_chunks"], described["next_chunk"]);  // so does its replay
  const HttpAnswer late = Ask("POST", absl::StrCat("/live/", id, "/pause"));
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(Reason(late), "SESSION_OVER");
}

TEST_F(GatewayLiveTest, PauseHoldsTheSessionAndUnpauseLetsItGoOn) {
  const std::string id = Start(kEndless);
  const std::string base = absl::StrCat("/live/", id);
  HttpClient events(port());
  events.Request("GET", base + "/events");
  events.ReadHead();
  const auto wait_for = [&events](const std::string& text) {
    for (std::string chunk = events.ReadChunk(); !chunk.empty(); chunk = events.ReadChunk()) {
      if (absl::StrContains(chunk, text)) return true;
    }
    return false;
  };
  Ask("POST", base + "/pause");
  EXPECT_TRUE(wait_for("SESSION_STATE_PAUSED"));
  EXPECT_EQ(Get(base)["state"], "paused");
  Ask("POST", base + "/unpause");
  EXPECT_TRUE(wait_for("SESSION_STATE_GENERATING"));
}

TEST_F(GatewayLiveTest, TheServersRefusalIsAnHttpErrorWithItsReasonAndField) {
  const HttpAnswer answer = Ask("POST", "/live", R"({"prompt": ""})");
  EXPECT_EQ(answer.status, 400);
  const Json error = Json::parse(answer.body)["error"];
  EXPECT_EQ(error["reason"], "PROMPT_EMPTY");
  EXPECT_EQ(error["status"], "INVALID_ARGUMENT");
  EXPECT_THAT(error["param"].get<std::string>(), HasSubstr("prompt"));
}

TEST_F(GatewayLiveTest, AnotherTokenMayWatchButNotControl) {
  const std::string id = Start(kEndless, "Authorization: Bearer one\r\n");
  const std::string base = absl::StrCat("/live/", id);
  const HttpAnswer refused = Ask("POST", base + "/finish", "", "Authorization: Bearer two\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(Reason(refused), "NOT_THE_OWNER");
  EXPECT_EQ(Ask("GET", base).status, 200);
  EXPECT_EQ(Ask("POST", base + "/finish", "", "Authorization: Bearer one\r\n").status, 202);
}

TEST_F(GatewayLiveTest, MoreSessionsAndViewersThanAllowedAreRefused) {
  config_.live.max_sessions = 1;
  config_.live.max_viewers = 1;
  const std::string id = Start(kEndless);
  EXPECT_EQ(Reason(Ask("POST", "/live", kEndless)), "TOO_MANY_LIVE_SESSIONS");
  HttpClient viewer(port());
  viewer.Request("GET", absl::StrCat("/live/", id, "/events"));
  EXPECT_EQ(viewer.ReadHead().status, 200);
  const HttpAnswer second = Ask("GET", absl::StrCat("/live/", id, "/video.mp4"));
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(Reason(second), "TOO_MANY_VIEWERS");
}

TEST_F(GatewayLiveTest, ASlowViewerSkipsAndTheOthersAndTheServerDoNotNotice) {
  config_.live.limits.chunks.max_items = 2;
  const std::string id = Start(R"({"prompt": "a", "seed": 7, "length_chunks": 40, "run_ahead_chunks": 64,
                                   "start_buffer_seconds": 60})");
  const std::string target = absl::StrCat("/live/", id, "/video.mp4");
  ASSERT_TRUE(WaitForState(id, "finished"));
  // Only now: all but the last two chunks have gone.
  const HttpAnswer late = Ask("GET", target);
  EXPECT_EQ(ProbeVideo(late.body, "mp4").frames.size(), 24u);
}

TEST_F(GatewayLiveTest, ASessionThatNobodyLooksAtIsEndedAndForgotten) {
  const std::string id = Start(kEndless);
  clock_.Advance(absl::Minutes(2));
  // Its server is told within a second; a look at it would keep it.
  EXPECT_TRUE(server_.model().WaitForLiveSessions(0));
  clock_.Advance(absl::Minutes(30));
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (Ask("GET", "/live/" + id).status != 404 && absl::Now() < deadline) clock_.Advance(absl::Minutes(30));
  EXPECT_EQ(Ask("GET", "/live/" + id).status, 404);
}

TEST_F(GatewayLiveTest, AServerThatIsGoneIs503AndAnotherOfTheListTakesOver) {
  TestServer second;
  config_.servers = {"127.0.0.1:1", server_.address()};
  Start(kShort);
  Start(kShort);
  gateway_.reset();
  config_.servers = {"127.0.0.1:1"};
  const HttpAnswer answer = Ask("POST", "/live", kShort);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Reason(answer), "NO_SERVER");
  EXPECT_EQ(Ask("GET", "/info").status, 503);
}

TEST_F(GatewayLiveTest, PagesOfOtherOriginsMayNotStartSessionsUntilTheyAreNamed) {
  const std::string foreign = "Origin: https://example.org\r\n";
  const HttpAnswer refused = Ask("POST", "/live", kShort, foreign);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(Reason(refused), "FOREIGN_ORIGIN");
  EXPECT_EQ(refused.headers.count("access-control-allow-origin"), 0u);
  EXPECT_EQ(Ask("POST", "/live", kShort, "Origin: http://localhost\r\n").status, 201);
  gateway_.reset();
  config_.allow_origin = "https://example.org";
  const HttpAnswer welcome = Ask("POST", "/live", kShort, foreign);
  EXPECT_EQ(welcome.status, 201);
  EXPECT_EQ(welcome.headers.at("access-control-allow-origin"), "https://example.org");
  EXPECT_EQ(Ask("OPTIONS", "/live", "", foreign).status, 204);
}

TEST_F(GatewayLiveTest, AnAuthorizationThatGrpcWouldNotCarryIsRefused) {
  EXPECT_EQ(Ask("POST", "/live", kShort, "Authorization: Bearer \xc3\xa9\r\n").status, 400);
}

TEST_F(GatewayLiveTest, ThePageIsServedWithAPolicyThatAllowsNothingFromElsewhere) {
  const HttpAnswer page = Ask("GET", "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr("<!doctype html>"));
  const std::string policy = page.headers.at("content-security-policy");
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  EXPECT_THAT(page.body, Not(HasSubstr("http://www")));
  EXPECT_EQ(Ask("GET", "/page.js").headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(Ask("GET", "/nothing").status, 404);
}

TEST_F(GatewayLiveTest, AWrongMethodIsToldWhichAreRight) {
  const std::string live = absl::StrCat("/live/", Start(kEndless));
  const std::tuple<const char*, std::string, const char*> wrong[] = {
      {"DELETE", live, "GET, HEAD"},
      {"GET", "/live", "POST"},
      {"PUT", live + "/video.mp4", "GET, HEAD, POST"},
      {"POST", "/", "GET, HEAD"},
      {"POST", "/info", "GET, HEAD"},
      {"PATCH", "/v1/videos", "GET, HEAD, POST"},
      {"POST", "/v1/videos/x", "GET, HEAD, DELETE"},
      {"GE", "/page.js", "GET, HEAD"},
  };
  for (const auto& [method, path, allowed] : wrong) {
    const HttpAnswer answer = Ask(method, path);
    EXPECT_EQ(answer.status, 405) << method << " " << path;
    EXPECT_EQ(Reason(answer), "METHOD_NOT_ALLOWED");
    EXPECT_EQ(answer.headers.at("allow"), allowed) << method << " " << path;
  }
  EXPECT_EQ(Ask("DELETE", "/nothing").status, 404);
}

TEST_F(GatewayLiveTest, ASessionTakesNoMoreChangesThanItsLinkCanHold) {
  server_.model().HoldPlans();
  const std::string live = absl::StrCat("/live/", Start(kEndless));
  // What comes before the first chunk is one change: the last prompt counts.
  ASSERT_TRUE(server_.model().WaitForHeldPlan().has_value());
  const std::string change = absl::StrCat("{\"prompt\": \"", std::string(4000, 'a'), "\"}");
  int taken = 0;
  while (taken < 100 && Ask("POST", live + "/prompt", change).status == 202) ++taken;
  EXPECT_EQ(taken, 15);  // 60 KiB
  EXPECT_EQ(Reason(Ask("POST", live + "/prompt", change)), "TOO_MANY_CHANGES");
  EXPECT_EQ(Ask("POST", live + "/finish").status, 202);
}

TEST_F(GatewayLiveTest, MetricsCountWhatWasAskedAndWhoWatches) {
  config_.metrics_listen = "127.0.0.1:0";
  const std::string id = Start(kEndless);
  HttpClient viewer(port());
  viewer.Request("GET", absl::StrCat("/live/", id, "/events"));
  viewer.ReadHead();
  const std::string text = Call(gateway_->metrics_port(), "GET", "/metrics").body;
  EXPECT_THAT(text, HasSubstr("videodiffcr_gateway_requests_total{route=\"live\",status=\"201\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("videodiffcr_gateway_viewers 1\n"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST_F(GatewayLiveTest, TheGatewayCanEndWhileSessionsRunAndViewersWait) {
  server_.model().HoldPlans();
  const std::string id = Start(kEndless);
  HttpClient playlist(port());
  HttpClient video(port());
  playlist.Request("GET", absl::StrCat("/live/", id, "/index.m3u8"));
  video.Request("GET", absl::StrCat("/live/", id, "/video.mp4"));
  EXPECT_EQ(video.ReadHead().status, 200);
  gateway_.reset();
  EXPECT_TRUE(video.WaitForEnd());
}

}  // namespace
}  // namespace videodiffcr
