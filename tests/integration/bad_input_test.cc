// Hostile and mistaken clients over real sockets: the right code, ErrorInfo, the field and its value; and everyone
// else's streams, on the same connection too, go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/loopback.h"
#include "tests/integration/raw_call.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using Request = v1::StreamVideoRequest;
using Response = v1::StreamVideoResponse;

constexpr char kService[] = "videodiffcr.v1.VideoGenerationService";
constexpr char kStreamVideo[] = "videodiffcr.v1.VideoGenerationService/StreamVideo";

// Somebody's session on a connection, begun before the trouble and looked at after it.
class Bystander {
 public:
  explicit Bystander(const std::shared_ptr<grpc::Channel>& channel)
      : stream_(channel, WithChunkCredits(SmallConfig(3, 4711), 1)) {
    EXPECT_TRUE(stream_.NextChunk().has_value());
  }
  void ExpectUnharmed() {
    EXPECT_TRUE(stream_.Send(ChunkCreditRequest(2)));
    const auto finished = stream_.NextOf(Response::kFinished);
    ASSERT_TRUE(finished.has_value()) << stream_.status().error_message();
    EXPECT_EQ(finished->finished().chunks(), 3);
  }

 private:
  TestStream stream_;
};

class BadInputTest : public testing::Test {
 protected:
  // The answer to a session whose config is good but for what `spoil` does to it.
  Refusal RefusalOfConfig(const std::function<void(v1::SessionConfig*)>& spoil) {
    v1::SessionConfig config = SmallConfig(1);
    spoil(&config);
    TestStream stream(channel_, config);
    return RefusalOf(stream.status());
  }
  // The answer to a message to a session that runs.
  Refusal RefusalOfControl(const Request& request) {
    TestStream stream(channel_, WithChunkCredits(SmallConfig(0), 1));
    EXPECT_TRUE(stream.NextChunk().has_value());
    stream.Send(request);
    const Refusal refusal = RefusalOf(stream.status());
    EXPECT_TRUE(server_.model().WaitForLiveSessions(0)) << "the session goes with its call";
    return refusal;
  }
  void ExpectField(const Refusal& refusal, const std::string& reason, const std::string& field,
                   const std::string& value) {
    EXPECT_EQ(refusal.code, grpc::StatusCode::INVALID_ARGUMENT) << refusal.message;
    EXPECT_EQ(refusal.reason, reason);
    EXPECT_EQ(refusal.field, field);
    EXPECT_EQ(refusal.violated_field, field);
    EXPECT_EQ(refusal.value, value);
    EXPECT_THAT(refusal.message, HasSubstr(field));
    EXPECT_THAT(refusal.message, HasSubstr(value));
  }

  TestServer server_;
  std::shared_ptr<grpc::Channel> channel_ = server_.NewConnection();
};

TEST_F(BadInputTest, AnEmptyPromptIsRefused) {
  ExpectField(RefusalOfConfig([](auto* config) { config->set_prompt(""); }), "PROMPT_EMPTY", "config.prompt", "");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_prompt("  "); }), "PROMPT_EMPTY", "config.prompt", "  ");
}

TEST_F(BadInputTest, APromptOfFiveKibibytesIsRefused) {
  const Refusal refusal = RefusalOfConfig([](auto* config) { config->set_prompt(std::string(5120, 'a')); });
  ExpectField(refusal, "PROMPT_TOO_LONG", "config.prompt", std::string(100, 'a') + "...");
  EXPECT_THAT(refusal.message, HasSubstr("5120"));
  EXPECT_THAT(refusal.message, HasSubstr("4096"));
}

TEST_F(BadInputTest, APromptWithTooManyTokensIsRefused) {
  std::string prompt;
  for (int i = 0; i < 600; ++i) prompt += "red ";
  EXPECT_EQ(RefusalOfConfig([&](auto* config) { config->set_prompt(prompt); }).reason, "PROMPT_TOO_LONG");
}

TEST_F(BadInputTest, APromptThatIsNotUtf8IsRefusedNamingTheField) {
  Bystander bystander(channel_);
  // The generated classes of the client would not send this: StreamVideoRequest{config{prompt: "red \xff\xfe"}} by
  // hand.
  RawCall stream(channel_, kStreamVideo);
  stream.Send(std::string("\x0a\x08\x0a\x06red \xff\xfe", 10));
  ExpectField(RefusalOf(stream.Finish()), "INVALID_UTF8", "config.prompt", "red \\xff\\xfe");
  bystander.ExpectUnharmed();
}

TEST_F(BadInputTest, AnUpdateThatIsNotUtf8IsRefusedNamingTheField) {
  RawCall stream(channel_, kStreamVideo);
  stream.Send(ConfigRequest(WithChunkCredits(SmallConfig(0), 1)).SerializeAsString());
  stream.Send(std::string("\x1a\x04\x0a\x02\xc3\x28", 6));
  ExpectField(RefusalOf(stream.Finish()), "INVALID_UTF8", "update.prompt", "\\xc3(");
}

TEST_F(BadInputTest, GarbageBytesAreRefusedAndTheConnectionGoesOn) {
  Bystander bystander(channel_);
  for (const std::string& garbage : {std::string("\xff\xff\xff\xff", 4), std::string("\x0a\xff\xff\xff\x7f", 5),
                                     std::string(1000, '\x0b'), std::string("\x0a\x05hello", 7)}) {
    RawCall stream(channel_, kStreamVideo);
    stream.Send(garbage);
    const Refusal refusal = RefusalOf(stream.Finish());
    EXPECT_EQ(refusal.code, grpc::StatusCode::INVALID_ARGUMENT) << refusal.message;
    EXPECT_EQ(refusal.reason, "MALFORMED_MESSAGE");
    EXPECT_NE(refusal.value, "");
  }
  bystander.ExpectUnharmed();
}

TEST_F(BadInputTest, GarbageInsteadOfHttpEndsItsOwnConnectionOnly) {
  Bystander bystander(channel_);
  const int file = ConnectToLoopback(server_.server().port());
  ASSERT_GE(file, 0);
  const std::string garbage(4096, '\xa5');
  EXPECT_GT(write(file, garbage.data(), garbage.size()), 0);
  char buffer[4096];
  while (read(file, buffer, sizeof(buffer)) > 0) {
  }
  close(file);  // the server has closed its side, or read() would still be waiting
  bystander.ExpectUnharmed();
}

TEST_F(BadInputTest, GarbageIsRefusedByTheOtherCallsToo) {
  for (const std::string method : {"GenerateVideo", "GetServerInfo"}) {
    RawCall call(channel_, absl::StrCat(kService, "/", method));
    call.SendLast(std::string("\xff\xff\xff\xff", 4));
    const Refusal refusal = RefusalOf(call.Finish());
    EXPECT_EQ(refusal.code, grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(refusal.reason, "MALFORMED_MESSAGE") << method;
  }
}

TEST_F(BadInputTest, AFirstMessageThatIsNotTheConfigIsRefused) {
  TestStream stream(channel_);
  stream.Send(PauseRequest());
  ExpectField(RefusalOf(stream.status()), "CONFIG_MISSING", "config", "pause");
  TestStream nothing(channel_);
  nothing.Send(Request());
  ExpectField(RefusalOf(nothing.status()), "CONFIG_MISSING", "config", "nothing");
}

TEST_F(BadInputTest, AStreamClosedWithoutAMessageIsRefused) {
  TestStream stream(channel_);
  stream.CloseSending();
  ExpectField(RefusalOf(stream.status()), "CONFIG_MISSING", "config", "");
}

TEST_F(BadInputTest, ASecondConfigIsRefusedAndOthersGoOn) {
  Bystander bystander(channel_);
  const v1::SessionConfig config = WithChunkCredits(SmallConfig(0, 2), 1);
  TestStream stream(channel_, config);
  ASSERT_TRUE(stream.NextChunk().has_value());
  stream.SendConfig(config);
  ExpectField(RefusalOf(stream.status()), "CONFIG_REPEATED", "config", config.prompt());
  bystander.ExpectUnharmed();
}

TEST_F(BadInputTest, AnEmptyControlMessageIsRefused) {
  ExpectField(RefusalOfControl(Request()), "REQUEST_NOT_SET", "request", "");
}

TEST_F(BadInputTest, CodecsAndContainersThatDoNotExistAreRefused) {
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_output()->set_codec(static_cast<v1::Codec>(99)); }),
              "UNSUPPORTED_VALUE", "config.output.codec", "99");
  ExpectField(
      RefusalOfConfig([](auto* config) { config->mutable_output()->set_container(static_cast<v1::Container>(-3)); }),
      "UNSUPPORTED_VALUE", "config.output.container", "-3");
  ExpectField(RefusalOfConfig([](auto* config) {
                config->mutable_output()->set_codec(v1::CODEC_RAW_RGB24);
                config->mutable_output()->set_container(v1::CONTAINER_FRAGMENTED_MP4);
              }),
              "UNSUPPORTED_VALUE", "config.output.container", "CONTAINER_FRAGMENTED_MP4");
}

TEST_F(BadInputTest, SizesRatesAndLengthsOffTheModelsTableAreRefused) {
  ExpectField(RefusalOfConfig([](auto* config) { config->set_width(65); }), "UNSUPPORTED_VALUE", "config.width", "65");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_height(-48); }), "UNSUPPORTED_VALUE", "config.height",
              "-48");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_frames_per_second(60); }), "UNSUPPORTED_VALUE",
              "config.frames_per_second", "60");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_length_chunks(-1); }), "OUT_OF_RANGE",
              "config.length_chunks", "-1");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_length_chunks(4801); }), "OUT_OF_RANGE",
              "config.length_chunks", "4801");
}

TEST_F(BadInputTest, BudgetsOffTheModelsTableAreRefused) {
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_retention()->set_target(0.75); }), "UNSUPPORTED_VALUE",
              "config.retention.target", "0.75");
  ExpectField(RefusalOfConfig([](auto* config) {
                config->mutable_retention()->set_target(std::numeric_limits<double>::quiet_NaN());
              }),
              "UNSUPPORTED_VALUE", "config.retention.target", "nan");
  ExpectField(RefusalOfConfig([](auto* config) {
                config->mutable_retention()->set_target(0.8);
                config->mutable_retention()->set_floor(0.9);
              }),
              "OUT_OF_RANGE", "config.retention.floor", "0.9");
  ExpectField(RefusalOfControl(BudgetRequest(0.5)), "UNSUPPORTED_VALUE", "update.retention_target", "0.5");
}

TEST_F(BadInputTest, OtherValuesOutOfRangeAreRefused) {
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_output()->set_rate_factor(52); }), "OUT_OF_RANGE",
              "config.output.rate_factor", "52");
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_output()->set_first_fragment_frames(10); }),
              "OUT_OF_RANGE", "config.output.first_fragment_frames", "10");
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_output()->set_first_fragment_frames(-1); }),
              "OUT_OF_RANGE", "config.output.first_fragment_frames", "-1");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_priority(static_cast<v1::Priority>(9)); }),
              "UNSUPPORTED_VALUE", "config.priority", "9");
  ExpectField(RefusalOfConfig([](auto* config) { config->mutable_playout()->mutable_start_buffer()->set_seconds(61); }),
              "OUT_OF_RANGE", "config.playout.start_buffer", "61s 0ns");
  ExpectField(RefusalOfConfig([](auto* config) {
                config->mutable_playout()->mutable_start_buffer()->set_seconds(std::numeric_limits<int64_t>::min());
              }),
              "OUT_OF_RANGE", "config.playout.start_buffer", "-9223372036854775808s 0ns");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_run_ahead_limit_chunks(65); }), "OUT_OF_RANGE",
              "config.run_ahead_limit_chunks", "65");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_request_id("no spaces"); }), "OUT_OF_RANGE",
              "config.request_id", "no spaces");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_initial_chunk_credits(-1); }), "OUT_OF_RANGE",
              "config.initial_chunk_credits", "-1");
  ExpectField(RefusalOfConfig([](auto* config) { config->set_initial_byte_credits(-1); }), "OUT_OF_RANGE",
              "config.initial_byte_credits", "-1");
  ExpectField(RefusalOfControl(ChunkCreditRequest(-5)), "OUT_OF_RANGE", "credit.chunks", "-5");
  Request update;
  update.mutable_update();
  ExpectField(RefusalOfControl(update), "UPDATE_EMPTY", "update", "");
  ExpectField(RefusalOfControl(SceneCutRequest("")), "PROMPT_EMPTY", "scene_cut.prompt", "");
}

TEST_F(BadInputTest, GenerateVideoNeedsALength) {
  grpc::ClientContext context;
  v1::GenerateVideoRequest request;
  *request.mutable_config() = SmallConfig(0);
  const auto stub = v1::VideoGenerationService::NewStub(channel_);
  auto reader = stub->GenerateVideo(&context, request);
  v1::GenerateVideoResponse response;
  EXPECT_FALSE(reader->Read(&response));
  ExpectField(RefusalOf(reader->Finish()), "OUT_OF_RANGE", "config.length_chunks", "0");
}

TEST_F(BadInputTest, GenerateVideoTakesAConfigOrAResumeAndNotBoth) {
  const auto stub = v1::VideoGenerationService::NewStub(channel_);
  const auto refusal = [&](const v1::GenerateVideoRequest& request) {
    grpc::ClientContext context;
    const auto reader = stub->GenerateVideo(&context, request);
    v1::GenerateVideoResponse response;
    EXPECT_FALSE(reader->Read(&response));
    return RefusalOf(reader->Finish());
  };
  v1::GenerateVideoRequest request;
  ExpectField(refusal(request), "CONFIG_MISSING", "config", "nothing");
  *request.mutable_config() = SmallConfig(1);
  request.mutable_resume();
  ExpectField(refusal(request), "CONFIG_MISSING", "config", "beside resume");
}

TEST_F(BadInputTest, AControlMessageThatIsTooLongIsRefused) {
  const Refusal refusal = RefusalOfControl(PromptRequest(std::string(70'000, 'a')));
  EXPECT_EQ(refusal.code, grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refusal.reason, "MESSAGE_TOO_LARGE");
  EXPECT_THAT(refusal.message, HasSubstr("65536"));
}

TEST_F(BadInputTest, AFirstMessageMayBeLongerThanAControlMessage) {
  const Refusal refusal = RefusalOfConfig([](auto* config) { config->set_prompt(std::string(70'000, 'a')); });
  EXPECT_EQ(refusal.reason, "PROMPT_TOO_LONG") << "so it was read";
}

TEST(BadInputLimitsTest, TheLongestFirstMessageIsWhatTheServerWasTold) {
  ServerConfig config = TestConfig();
  config.rpc_limits.max_first_message_bytes = 6 << 20;
  TestServer server(config);
  v1::SessionConfig session = SmallConfig(1);
  session.set_prompt(std::string(5 << 20, 'a'));
  TestStream stream(server.NewConnection(), session);
  EXPECT_EQ(RefusalOf(stream.status()).reason, "PROMPT_TOO_LONG");
}

TEST_F(BadInputTest, AFirstMessageThatIsTooLongIsRefusedAndOthersGoOn) {
  Bystander bystander(channel_);
  const Refusal refusal = RefusalOfConfig([](auto* config) { config->set_prompt(std::string((4 << 20) + 1, 'a')); });
  EXPECT_EQ(refusal.code, grpc::StatusCode::RESOURCE_EXHAUSTED) << refusal.message;
  bystander.ExpectUnharmed();
}

TEST_F(BadInputTest, AMethodThatDoesNotExistIsUnimplemented) {
  RawCall call(channel_, absl::StrCat(kService, "/Nonsense"));
  call.SendLast("");
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace videodiffcr
