#include "server/metrics/http_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::optional<std::string> Answer(const std::string& head) {
  return AnswerHttp(head, [] { return "up 1\n"; });
}

TEST(HttpAnswerTest, MetricsAreAnsweredOnceTheRequestIsWhole) {
  EXPECT_EQ(Answer(""), std::nullopt);
  EXPECT_EQ(Answer("GET /metrics HTTP/1.1\r\nHost: x\r\n"), std::nullopt);
  const std::string expected =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 5\r\n"
      "Connection: close\r\n\r\nup 1\n";
  EXPECT_EQ(Answer("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), expected);
  EXPECT_EQ(Answer("GET /metrics?name=up HTTP/1.0\n\n"), expected);
}

TEST(HttpAnswerTest, HeadHasTheSameHeadAndNoBody) {
  EXPECT_THAT(Answer("HEAD /metrics HTTP/1.1\r\n\r\n").value(),
              AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
}

TEST(HttpAnswerTest, AllElseIsRefusedByItsKind) {
  EXPECT_THAT(Answer("GET / HTTP/1.1\r\n\r\n").value(), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Answer("GET /metricsx HTTP/1.1\r\n\r\n").value(), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Answer("HEAD /x HTTP/1.1\r\n\r\n").value(), AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Answer("POST /metrics HTTP/1.1\r\n\r\nup 2").value(),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n"), Not(HasSubstr("up"))));
  for (const char* nonsense : {"\r\n\r\n", "GET /metrics\r\n\r\n", "GET  /metrics HTTP/1.1\r\n\r\n",
                               "GET /metrics SMTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"}) {
    EXPECT_THAT(Answer(nonsense).value(), StartsWith("HTTP/1.1 400 ")) << nonsense;
  }
}

TEST(HttpAnswerTest, AHeadWithoutEndIsRefused) {
  EXPECT_THAT(Answer(std::string(kMaxHttpHeadBytes, 'x')).value(), StartsWith("HTTP/1.1 431 "));
}

}  // namespace
}  // namespace videodiffcr
