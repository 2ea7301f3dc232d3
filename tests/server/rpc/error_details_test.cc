#include "server/rpc/error_details.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace videodiffcr {
namespace {

template <typename Detail>
Detail PayloadOf(const absl::Status& status) {
  Detail detail;
  const auto payload = status.GetPayload("type.googleapis.com/" + Detail::descriptor()->full_name());
  EXPECT_TRUE(payload.has_value() && detail.ParseFromString(std::string(*payload)));
  return detail;
}

TEST(ErrorDetailsTest, AFieldErrorNamesFieldAndValueInEveryPlaceThatAClientMayLookAt) {
  const absl::Status status = FieldError("OUT_OF_RANGE", "config.width", "17", "must be even");
  EXPECT_EQ(status.message(), "config.width: must be even (got \"17\")");
  const auto info = PayloadOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.reason(), "OUT_OF_RANGE");
  EXPECT_EQ(info.metadata().at("field"), "config.width");
  EXPECT_EQ(info.metadata().at("value"), "17");
  const auto bad_request = PayloadOf<google::rpc::BadRequest>(status);
  EXPECT_EQ(bad_request.field_violations(0).field(), "config.width");
  EXPECT_EQ(bad_request.field_violations(0).description(), "must be even (got \"17\")");
}

TEST(ErrorDetailsTest, TheFirstReasonStaysAndAnOkStatusHasNone) {
  const absl::Status status = WithErrorInfo(WithErrorInfo(absl::InternalError("x"), "FIRST"), "SECOND");
  EXPECT_EQ(ErrorReason(status), "FIRST");
  EXPECT_EQ(ErrorReason(absl::InternalError("x")), "");
  EXPECT_TRUE(WithErrorInfo(absl::OkStatus(), "REASON").ok());
  EXPECT_TRUE(WithRetryInfo(absl::OkStatus(), absl::Seconds(1)).ok());
}

TEST(ErrorDetailsTest, RetryAndQuotaSayHowLongAndWhat) {
  const absl::Status status = WithQuotaFailure(
      WithRetryInfo(absl::ResourceExhaustedError("full"), absl::Milliseconds(1500)), "stream", "at most 5");
  EXPECT_EQ(PayloadOf<google::rpc::RetryInfo>(status).retry_delay().seconds(), 1);
  EXPECT_EQ(PayloadOf<google::rpc::RetryInfo>(status).retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(PayloadOf<google::rpc::QuotaFailure>(status).violations(0).subject(), "stream");
  EXPECT_EQ(PayloadOf<google::rpc::QuotaFailure>(status).violations(0).description(), "at most 5");
}

TEST(ErrorDetailsTest, WhatAClientSentIsCutAndEscapedSoThatNoLogLineCanBeForged) {
  EXPECT_EQ(Printable("plain", 5), "plain");
  EXPECT_EQ(Printable("plain", 4), "plai...");
  EXPECT_EQ(Printable("a\nb\\x\xff", 100), "a\\x0ab\\x5cx\\xff");
}

TEST(ErrorDetailsTest, ALogLineQuotesNoClientUnlessItIsAskedTo) {
  const absl::Status refused = FieldError("PROMPT_TOO_LONG", "config.prompt", "my secret", "is too long");
  EXPECT_EQ(ForLog(refused, /*quote_clients=*/false), "PROMPT_TOO_LONG config.prompt");
  EXPECT_EQ(ForLog(refused, /*quote_clients=*/true), "config.prompt: is too long (got \"my secret\")");
  const absl::Status malformed = WithErrorInfo(absl::InvalidArgumentError("no message (got \"my secret\")"),
                                               "MALFORMED_MESSAGE", {{"value", "my secret"}});
  EXPECT_EQ(ForLog(malformed, false), "MALFORMED_MESSAGE");
}

// One that quoted a fingerprint had its field but no value, and let whoever sent it write into the log.
TEST(ErrorDetailsTest, ALogLineQuotesNoMessageAboutAFieldEvenIfNobodyMarkedItsValue) {
  const absl::Status unmarked = WithErrorInfo(absl::NotFoundError("session_id: \"my secret\" is over"), "SESSION_OVER",
                                              {{"field", "session_id"}});
  EXPECT_EQ(ForLog(unmarked, false), "SESSION_OVER session_id");
  EXPECT_EQ(ForLog(unmarked, true), "session_id: \"my secret\" is over");
}

TEST(ErrorDetailsTest, OfTheServersOwnWordsALogLineHasTheFirstTwoHundredBytes) {
  EXPECT_EQ(ForLog(absl::InternalError("the decoder failed"), false), "the decoder failed");
  EXPECT_EQ(ForLog(absl::InternalError(std::string(1000, 'x')), false), std::string(200, 'x'));
  EXPECT_EQ(ForLog(absl::OkStatus(), false), "");
}

}  // namespace
}  // namespace videodiffcr
