#include "server/rpc/message_parsing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
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

// A field of `number` by hand: its tag, and behind it what its wire type wants at least.
std::string SmallestField(int number, int wire_type) {
  const auto tag = [number](int type) {
    const int value = number << 3 | type;
    std::string bytes;
    if (value >= 0x80) bytes += static_cast<char>(0x80 | (value & 0x7f));
    return bytes + static_cast<char>(value >= 0x80 ? value >> 7 : value);
  };
  switch (wire_type) {
    case 1:
      return tag(1) + std::string(8, '\0');
    case 3:  // a group, which ends at once
      return tag(3) + tag(4);
    case 5:
      return tag(5) + std::string(4, '\0');
    default:  // 0, or no bytes
      return tag(wire_type) + '\0';
  }
}

std::string Repeated(const std::string& bytes, int64_t times) {
  std::string all;
  for (int64_t i = 0; i < times; ++i) all += bytes;
  return all;
}

// Field 1 to 15 of a message, holding `bytes`.
std::string Holding(int number, const std::string& bytes) {
  std::string field(1, static_cast<char>(number << 3 | 2));
  for (size_t left = bytes.size(); true; left >>= 7) {
    field += static_cast<char>((left & 0x7f) | (left >= 0x80 ? 0x80 : 0));
    if (left < 0x80) return field + bytes;
  }
}

TEST(MessageParsingTest, AFewFieldsOfANewerClientArePassedOverAndNotKept) {
  const std::string config = Holding(1, "a red circle") + Repeated(SmallestField(2, 2), 500);
  v1::StreamVideoRequest received, wanted;
  wanted.mutable_config()->set_prompt("a red circle");
  ASSERT_TRUE(ParseMessage(Bytes(Holding(1, config) + Repeated(SmallestField(900, 0), 500)), 1 << 20, &received).ok());
  EXPECT_EQ(received.SerializeAsString(), wanted.SerializeAsString());
}

TEST(MessageParsingTest, MoreUnknownFieldsThanANewerClientSendsAreRefusedWithTheirCount) {
  const std::string config = Holding(1, "a red circle") + Repeated(SmallestField(2, 2), 2'000'000);
  const std::string in_groups =
      SmallestField(20, 3).substr(0, 2) + Repeated(SmallestField(1, 0), 5000) + SmallestField(20, 3).substr(2);
  v1::StreamVideoRequest received;
  for (const auto& [bytes, count] : {std::pair{Holding(1, config), "2000000"},
                                     {Repeated(SmallestField(900, 0), 1001), "1001"},
                                     {Holding(2, Holding(3, Repeated(SmallestField(4, 1), 1001))), "1001"},
                                     {in_groups, "5001"}}) {
    const absl::Status status = ParseMessage(Bytes(bytes), 5 << 20, &received);
    EXPECT_EQ(ErrorReason(status), "MALFORMED_MESSAGE");
    EXPECT_THAT(std::string(status.message()), HasSubstr(count));
  }
}

TEST(MessageParsingTest, MoreElementsThanASnapshotHasAreRefusedWithTheirCount) {
  v1::SnapshotState received;
  for (const std::string& bytes : {Repeated(SmallestField(5, 2), 10'001), Repeated(SmallestField(6, 2), 10'001),
                                   Holding(7, std::string(10'001, 1)), Repeated(SmallestField(7, 0), 10'001),
                                   Holding(7, std::string(9000, 1)) + Repeated(SmallestField(6, 2), 1001)}) {
    const absl::Status status = ParseMessage(bytes, &received);
    EXPECT_EQ(ErrorReason(status), "MALFORMED_MESSAGE");
    EXPECT_THAT(std::string(status.message()), HasSubstr("10001 elements"));
  }
}

// Of `type` and those within it, each field's smallest form in each wire type, as often as fits.
void ForEachCrowd(const google::protobuf::Descriptor& type, size_t bytes,
                  const std::function<void(const std::string&)>& visit) {
  for (int number = 1; number <= 18; ++number) {
    for (const int wire_type : {0, 1, 2, 3, 5}) {
      const std::string field = SmallestField(number, wire_type);
      visit(Repeated(field, static_cast<int64_t>(bytes / field.size())));
    }
    const auto* field = type.FindFieldByNumber(number);
    if (field == nullptr) continue;
    if (field->is_packable()) visit(Holding(number, std::string(bytes, 1)));
    if (field->message_type() == nullptr) continue;
    ForEachCrowd(*field->message_type(), bytes, [&](const std::string& crowd) { visit(Holding(number, crowd)); });
  }
}

TEST(MessageParsingTest, NoMessageTakesManyTimesItsBytes) {
  constexpr size_t kBytes = 128 << 10;
  constexpr size_t kMost = 6 * kBytes;
  for (const google::protobuf::Message* type : std::initializer_list<const google::protobuf::Message*>{
           &v1::StreamVideoRequest::default_instance(), &v1::GenerateVideoRequest::default_instance(),
           &v1::UpdateSessionRequest::default_instance(), &v1::CancelSessionRequest::default_instance(),
           &v1::WatchSessionRequest::default_instance(), &v1::GetServerInfoRequest::default_instance(),
           &v1::SnapshotState::default_instance()}) {
    ForEachCrowd(*type->GetDescriptor(), kBytes, [&](const std::string& bytes) {
      const std::unique_ptr<google::protobuf::Message> message(type->New());
      if (!ParseMessage(bytes, message.get()).ok()) return;
      EXPECT_LE(message->SpaceUsedLong(), kMost)
          << message->GetTypeName() << " " << absl::CHexEscape(bytes.substr(0, 16));
    });
  }
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
