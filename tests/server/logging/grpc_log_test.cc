#include "server/logging/grpc_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "grpc/support/log.h"
#include "server/logging/log_line.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GrpcLogTest, ALineEndsWhereItBeginsToQuoteAPeer) {
  EXPECT_EQ(WithoutPeersWords("Error parsing metadata: error=invalid value key=grpc-timeout value=my secret value=2"),
            "Error parsing metadata: error=invalid value key=grpc-timeout value=...");
  EXPECT_EQ(WithoutPeersWords("No match found for server name: my secret."), "No match found for server name: ...");
  EXPECT_EQ(WithoutPeersWords("Base64 decoding failed, invalid character '!' in base64 input."),
            "Base64 decoding failed, invalid character '...");
  EXPECT_EQ(WithoutPeersWords("UNAVAILABLE:GOAWAY received; Error code: 0; Debug Text: my secret"),
            "UNAVAILABLE:GOAWAY received; Error code: 0; Debug Text: ...");
  EXPECT_EQ(WithoutPeersWords("{\"description\":\"my secret\"}"), "{\"...");
}

TEST(GrpcLogTest, ALineWithoutAPeersWordsStaysWhole) {
  for (const std::string line : {"", "Failed accept4: Too many open files", "value out of range"}) {
    EXPECT_EQ(WithoutPeersWords(line), line);
  }
}

// What gRPC says of a header, as it comes out of standard error.
std::string LoggedOf(const char* words) {
  ::testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "Error parsing metadata: error=not an integer key=grpc-status value=%s", words);
  FlushLog(absl::Seconds(10));
  return ::testing::internal::GetCapturedStderr();
}

TEST(GrpcLogTest, WhatAPeerSentReachesTheLogOnlyWhenThatIsAskedForAndEscaped) {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as gRPC does by itself once it is in use
  RouteGrpcLog();
  EXPECT_THAT(LoggedOf("\x1B[2Jsecret"), HasSubstr("warning Error parsing metadata: error=not an integer"));
  EXPECT_THAT(LoggedOf("\x1B[2Jsecret"), Not(HasSubstr("secret")));
  LetGrpcLogQuotePeers(true);
  EXPECT_THAT(LoggedOf("\x1B[2Jsecret"), HasSubstr("value=\\x1b[2Jsecret\n"));
  LetGrpcLogQuotePeers(false);
  EXPECT_THAT(LoggedOf("\x1B[2Jsecret"), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace videodiffcr
