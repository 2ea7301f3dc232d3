#include "server/rpc/message_parsing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "google/protobuf/descriptor.h"
#include "grpcpp/support/slice.h"
#include "server/rpc/error_details.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

grpc::ByteBuffer Bytes(const std::string& text) {
  // In two pieces, as a message may arrive.
  grpc::Slice slices[] = {grpc::Slice(text.substr(0, text.size() / 2)), grpc::Slice(text.substr(text.size() / 2))};
  return grpc::ByteBuffer(slices, 2);
}

TEST(MessageParsingTest, AGoodMessageArrivesWhole) {
  v1::StreamVideoRequest sent, received;
  sent.mutable_config()->set_prompt("ein roter Kreis \xe2\x80\x94 \xf0\x9f\x94\xb4");
  ASSERT_TRUE(ParseMessage(Bytes(sent.SerializeAsString()), 1000, &received).ok());
  EXPECT_EQ(received.config().prompt(), sent.config().prompt());
}

TEST(MessageParsingTest, AMessageOverTheLimitIsRefusedBeforeItIsRead) {
  v1::StreamVideoRequest sent, received;
  sent.mutable_config()->set_prompt(std::string(1000, 'a'));
  const absl::Status status = ParseMessage(Bytes(sent.SerializeAsString()), 1000, &received);
  EXPECT_EQ(ErrorReason(status), "MESSAGE_TOO_LARGE");
}

TEST(MessageParsingTest, ABadStringIsNamedByItsPath) {
  v1::StreamVideoRequest received;
  const std::string scene_cut_prompt(
      "\x42\x05\x0a\x03"
      "a\xed\xa0",
      7);
  const absl::Status status = ParseMessage(Bytes(scene_cut_prompt), 1000, &received);
  EXPECT_EQ(ErrorReason(status), "INVALID_UTF8");
  EXPECT_THAT(std::string(status.message()), HasSubstr("scene_cut.prompt"));
}

TEST(MessageParsingTest, BytesThatBreakOffBehindABadStringAreMalformedAndWriteNothingToTheLog) {
  v1::StreamVideoRequest received;
  const std::string bad_prompt("\x0a\x03\x0a\x01\xff", 5), cut_inside("\x0a\x04\x0a\x01\xff\x0a", 6);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(ErrorReason(ParseMessage(Bytes(bad_prompt), 1000, &received)), "INVALID_UTF8");
  EXPECT_EQ(ErrorReason(ParseMessage(Bytes(bad_prompt + "\x0a"), 1000, &received)), "MALFORMED_MESSAGE");
  EXPECT_EQ(ErrorReason(ParseMessage(Bytes(cut_inside), 1000, &received)), "MALFORMED_MESSAGE");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(MessageParsingTest, AMessageOfExactlyTheLimitIsTaken) {
  v1::StreamVideoRequest sent, received;
  sent.mutable_config()->set_prompt("a red circle");
  const std::string bytes = sent.SerializeAsString();
  EXPECT_TRUE(ParseMessage(Bytes(bytes), static_cast<int64_t>(bytes.size()), &received).ok());
}

// Fields that hold fields of their own are looked into one level at a time, so no type may hold itself.
TEST(MessageParsingTest, NoRequestTypeHoldsItself) {
  const std::function<void(const google::protobuf::Descriptor*, int)> visit =
      [&](const google::protobuf::Descriptor* type, int depth) {
        ASSERT_LT(depth, 8) << type->full_name();
        for (int i = 0; i < type->field_count(); ++i) {
          if (type->field(i)->message_type() != nullptr) visit(type->field(i)->message_type(), depth + 1);
        }
      };
  visit(v1::StreamVideoRequest::descriptor(), 0);
  visit(v1::GenerateVideoRequest::descriptor(), 0);
  visit(v1::GetServerInfoRequest::descriptor(), 0);
}

TEST(MessageParsingTest, AKnownNumberUnderAnotherWireTypeIsAnUnknownField) {
  v1::StreamVideoRequest received;
  EXPECT_TRUE(ParseMessage(Bytes(std::string("\x08\x01", 2)), 1000, &received).ok());
  EXPECT_EQ(received.request_case(), v1::StreamVideoRequest::REQUEST_NOT_SET);
}

TEST(MessageParsingTest, UnknownFieldsMayHoldAnyBytes) {
  v1::StreamVideoRequest received;
  EXPECT_TRUE(ParseMessage(Bytes(std::string("\x7a\x02\xff\xfe", 4)), 1000, &received).ok());
}

TEST(MessageParsingTest, BytesNestedWithoutEndAreRefused) {
  std::string bytes;
  for (int i = 0; i < 200; ++i)
    bytes = "\x0a" + std::string(1, static_cast<char>(bytes.size() & 0x7f)) + bytes.substr(0, 0x7f);
  v1::StreamVideoRequest received;
  EXPECT_EQ(ParseMessage(Bytes(bytes), 1 << 20, &received).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Utf8Test, TakesWhatUnicodeTakes) {
  for (const char* good : {"", "abc", "\xc2\x80", "\xc3\xa4", "\xe0\xa0\x80", "\xf0\x90\x80\x80", "\xe2\x82\xac",
                           "\xf0\x9f\x94\xb4", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
}

TEST(Utf8Test, RefusesWhatUnicodeRefuses) {
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "ab\xfe"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace videodiffcr
