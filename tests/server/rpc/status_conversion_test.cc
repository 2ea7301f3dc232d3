#include "server/rpc/status_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "scheduler/idleness.h"
#include "scheduler/retry_after.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

using ::testing::SizeIs;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(StatusConversionTest, OkHasNoDetails) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
}

TEST(StatusConversionTest, CodeAndMessageStayAndTheFieldIsNamedTwice) {
  const grpc::Status status = ToGrpcStatus(FieldError("OUT_OF_RANGE", "config.width", "17", "must be even"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "config.width: must be even (got \"17\")");
  const google::rpc::Status details = DetailsOf(status);
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  ASSERT_THAT(details.details(), SizeIs(2));
}

// Clients of earlier releases and of other languages read them.
TEST(StatusConversionTest, TheBytesOfDetailsStayAsTheyAre) {
  const absl::Status status = WithErrorInfo(absl::UnavailableError("x"), "MODEL_LOADING", {{"field", "f"}});
  EXPECT_EQ(ToGrpcStatus(status).error_details(),
            "\x08\x0e\x12\x01x\x1aT"  // code, message, one detail of 84 bytes
            "\x0a(type.googleapis.com/google.rpc.ErrorInfo\x12("
            "\x0a\x0dMODEL_LOADING\x12\x0bvideodiffcr\x1a\x0a\x0a\x05"
            "field\x12\x01"
            "f");
}

TEST(StatusConversionTest, AStatusWithoutAReasonGetsOneByItsCode) {
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(DetailsOf(ToGrpcStatus(absl::AbortedError("stopping"))).details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "DRAINING");
  EXPECT_EQ(info.domain(), "videodiffcr");
}

TEST(StatusConversionTest, ASessionThatWasIdleIsToldApartFromOneThatADrainEnded) {
  const grpc::Status status = ToGrpcStatus(IdleError("paused by the client", absl::Seconds(60)));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "SESSION_IDLE");
}

TEST(StatusConversionTest, TheSchedulersRetryAfterBecomesRetryInfoAndLeavesNothingElseBehind) {
  const grpc::Status status =
      ToGrpcStatus(WithRetryAfter(absl::ResourceExhaustedError("full"), absl::Milliseconds(2500)));
  const google::rpc::Status details = DetailsOf(status);
  ASSERT_THAT(details.details(), SizeIs(2));
  for (const auto& any : details.details()) {
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&retry)) {
      EXPECT_EQ(retry.retry_delay().seconds(), 2);
      EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
      return;
    }
  }
  FAIL() << "no RetryInfo";
}

TEST(StatusConversionTest, HostileValuesAreCutAndEscapedSoThatTheStatusFitsItsTrailers) {
  const grpc::Status status =
      ToGrpcStatus(FieldError("INVALID_UTF8", "config.prompt", std::string(5000, '\xff'), "bad"));
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 4096u);
  for (const char c : status.error_message()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(StatusConversionTest, LongMessagesAreCut) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(std::string(100'000, 'x'))).error_message().size(), 1024u);
}

}  // namespace
}  // namespace videodiffcr
