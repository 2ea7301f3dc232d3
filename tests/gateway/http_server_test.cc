#include "gateway/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/gateway/http_client.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

HttpServerOptions TestOptions() {
  HttpServerOptions options;
  options.listen = "127.0.0.1:0";
  options.max_header_bytes = 1024;
  options.max_body_bytes = 100;
  return options;
}

std::unique_ptr<HttpServer> Serve(HttpHandler handler, const HttpServerOptions& options = TestOptions(),
                                  HttpObserver observer = {}) {
  auto server = HttpServer::Start(options, std::move(handler), std::move(observer));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

void Echo(const HttpRequest& request, const HttpReply& reply) {
  HttpResponse response;
  response.body = absl::StrCat(request.method, " ", request.path.empty() ? "/" : request.path[0], " ", request.body);
  reply(std::move(response));
}

// A source that is told by the test when and what.
class TestSource final : public BodySource {
 public:
  explicit TestSource(std::atomic<int>* alive) : alive_(alive) { ++*alive_; }
  ~TestSource() override { --*alive_; }
  void Next(std::function<void(Piece)> ready) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pieces_.empty()) {
      ready_ = std::move(ready);
    } else {
      ready(Take());
    }
  }
  void Give(Piece piece) {
    std::function<void(Piece)> ready;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      pieces_.push_back(std::move(piece));
      if (ready_ == nullptr) return;
      ready = std::exchange(ready_, nullptr);
    }
    ready(Take());
  }

 private:
  Piece Take() {
    Piece piece = pieces_.front();
    pieces_.erase(pieces_.begin());
    return piece;
  }
  std::atomic<int>* const alive_;
  std::mutex mutex_;
  std::vector<Piece> pieces_;
  std::function<void(Piece)> ready_;
};

BodySource::Piece Text(const std::string& text) { return std::make_shared<const std::string>(text); }

TEST(HttpServerTest, SeveralRequestsOfOneConnectionAreAnsweredInTurn) {
  const auto server = Serve(Echo);
  HttpClient client(server->port());
  client.Request("GET", "/a");
  EXPECT_EQ(client.ReadAnswer().body, "GET a ");
  client.Request("POST", "/b", "body");
  EXPECT_EQ(client.ReadAnswer().body, "POST b body");
}

TEST(HttpServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  const auto server = Serve(Echo);
  HttpClient client(server->port());
  client.Request("HEAD", "/a");
  EXPECT_EQ(client.ReadHead().headers["content-length"], "6");
  client.Request("GET", "/b");  // at once behind the head: there was no body
  EXPECT_EQ(client.ReadAnswer().body, "GET b ");
}

TEST(HttpServerTest, WhatIsTooLongOrMalformedIsRefusedAndTheConnectionEnds) {
  const auto server = Serve(Echo);
  const std::pair<std::string, int> cases[] = {
      {absl::StrCat("GET /a HTTP/1.1\r\nX: ", std::string(2000, 'x'), "\r\n\r\n"), 431},
      {absl::StrCat("POST /a HTTP/1.1\r\nContent-Length: 200\r\n\r\n", std::string(200, 'x')), 413},
      {"POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"nonsense\r\n\r\n", 400},
      {"GET /a SPDY/9\r\n\r\n", 400},
      {"GET /../etc HTTP/1.1\r\nConnection: close\r\n\r\n", 400}};
  for (const auto& [bytes, status] : cases) {
    HttpClient client(server->port());
    client.Send(bytes);
    const HttpAnswer answer = client.ReadAnswer();
    EXPECT_EQ(answer.status, status) << bytes.substr(0, 60);
    for (const char* field : {"\"reason\":", "\"status\":\"INVALID_ARGUMENT\"", "\"param\":null"}) {
      EXPECT_THAT(answer.body, HasSubstr(field));
    }
    EXPECT_TRUE(client.WaitForEnd());
  }
}

TEST(HttpServerTest, ARequestThatTakesTooLongIsCutOff) {
  HttpServerOptions options = TestOptions();
  options.request_timeout = absl::Milliseconds(50);
  const auto server = Serve(Echo, options);
  HttpClient client(server->port());
  client.Send("GET /a HTTP/1.1\r\nHo");
  EXPECT_TRUE(client.WaitForEnd());
}

TEST(HttpServerTest, AnAnswerThatNeverBeginsIs504) {
  HttpServerOptions options = TestOptions();
  options.answer_timeout = absl::Milliseconds(50);
  const auto server = Serve([](const HttpRequest&, const HttpReply&) {}, options);
  EXPECT_EQ(Call(server->port(), "GET", "/a").status, 504);
}

TEST(HttpServerTest, MoreConnectionsThanAllowedAreTold503) {
  HttpServerOptions options = TestOptions();
  options.max_connections = 1;
  const auto server = Serve(Echo, options);
  HttpClient first(server->port());
  first.Request("GET", "/a");
  EXPECT_EQ(first.ReadAnswer().status, 200);
  HttpClient second(server->port());
  const HttpAnswer refused = second.ReadAnswer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_THAT(refused.body, HasSubstr("\"type\":\"server_error\""));
  first.Request("GET", "/a");
  EXPECT_EQ(first.ReadAnswer().status, 200);
}

TEST(HttpServerTest, PeersThatSayNothingOrHalfOfSomethingKeepNobodyOut) {
  HttpServerOptions options = TestOptions();
  options.max_connections = 2;
  options.request_timeout = absl::Hours(1);
  const auto server = Serve(Echo, options);
  HttpClient silent(server->port());
  HttpClient half(server->port());
  half.Send("GET /a HTTP/1.1\r\nHo");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Call(server->port(), "GET", "/a").status, 200);
  EXPECT_TRUE(silent.WaitForEnd());
}

TEST(HttpServerTest, ASourceIsSentPieceByPieceAndGoesWithItsViewer) {
  std::atomic<int> alive = 0;
  std::shared_ptr<TestSource> source = std::make_shared<TestSource>(&alive);
  std::weak_ptr<TestSource> weak = source;
  const auto server = Serve([&source](const HttpRequest&, const HttpReply& reply) {
    HttpResponse response;
    response.source = std::move(source);
    reply(std::move(response));
  });
  {
    HttpClient client(server->port());
    client.Request("GET", "/a");
    EXPECT_EQ(client.ReadHead().headers["transfer-encoding"], "chunked");
    weak.lock()->Give(Text("one"));
    EXPECT_EQ(client.ReadChunk(), "one");
    weak.lock()->Give(Text("two"));
    EXPECT_EQ(client.ReadChunk(), "two");
  }
  // The viewer left while nothing was sent.
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (alive > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(alive, 0);
}

TEST(HttpServerTest, AnHttp10ViewerGetsTheBytesAsTheyAreAndTheEnd) {
  std::atomic<int> alive = 0;
  const auto source = std::make_shared<TestSource>(&alive);
  source->Give(Text("one"));
  source->Give(Text("two"));
  source->Give(nullptr);
  const auto server = Serve([&source](const HttpRequest&, const HttpReply& reply) {
    HttpResponse response;
    response.source = source;
    reply(std::move(response));
  });
  HttpClient client(server->port());
  client.Send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().body, "onetwo");
}

TEST(HttpServerTest, ASilentSourceIsFilledWithHeartbeats) {
  std::atomic<int> alive = 0;
  const auto source = std::make_shared<TestSource>(&alive);
  const auto server = Serve([&source](const HttpRequest&, const HttpReply& reply) {
    HttpResponse response;
    response.source = source;
    response.heartbeat = ": beat\n\n";
    response.heartbeat_interval = absl::Milliseconds(1);
    reply(std::move(response));
  });
  HttpClient client(server->port());
  client.Request("GET", "/a");
  client.ReadHead();
  EXPECT_EQ(client.ReadChunk(), ": beat\n\n");
  source->Give(Text("word"));
  std::string chunk = client.ReadChunk();
  while (chunk == ": beat\n\n") chunk = client.ReadChunk();
  EXPECT_EQ(chunk, "word");
  source->Give(nullptr);
  while (!chunk.empty()) chunk = client.ReadChunk();
  EXPECT_TRUE(client.WaitForEnd());
}

TEST(HttpServerTest, AViewerWhoTakesNothingIsCutOff) {
  HttpServerOptions options = TestOptions();
  options.send_timeout = absl::Milliseconds(50);
  std::atomic<int> alive = 0;
  std::shared_ptr<TestSource> source = std::make_shared<TestSource>(&alive);
  source->Give(Text(std::string(64 << 20, 'x')));
  const auto server = Serve(
      [&source](const HttpRequest&, const HttpReply& reply) {
        HttpResponse response;
        response.source = std::move(source);
        reply(std::move(response));
      },
      options);
  HttpClient client(server->port());
  client.Request("GET", "/a");
  client.ReadHead();
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (alive > 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(alive, 0);
}

TEST(HttpServerTest, APortThatIsTakenIsUnavailable) {
  const auto server = Serve(Echo);
  HttpServerOptions options = TestOptions();
  options.listen = absl::StrCat("127.0.0.1:", server->port());
  const auto second = HttpServer::Start(options, Echo, {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("--listen"));
}

}  // namespace
}  // namespace videodiffcr
