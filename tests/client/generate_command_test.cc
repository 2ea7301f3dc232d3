#include "client/generate_command.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "client/call_status.h"
#include "client/info_command.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_video_service.h"
#include "tests/command_line/run_subcommand.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Service = ScriptedVideoService;

std::string TempPath(const std::string& name) { return ::testing::TempDir() + "/generate_command_test_" + name; }

TEST(GenerateCommandTest, WritesInitSegmentAndPayloadsOneAfterAnother) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    v1::StreamVideoResponse first = Service::Chunk(0, "[first]");
    first.mutable_chunk()->set_init_segment("[init]");
    stream->Write(first);
    stream->Write(Service::Chunk(1, "[second]"));
    return grpc::Status::OK;
  });
  const std::string output = TempPath("whole.mp4");
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--prompt", "a", "--chunks", "2", "--server", service.address(), "--output", output});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadFile(output), "[init][first][second]");
}

TEST(GenerateCommandTest, AFirstFragmentIsWrittenAtOnceAndOfItsChunkWhatIsBehindIt) {
  const std::string output = TempPath("early.h264");
  std::string on_disk;
  Service service([&](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
    EXPECT_EQ(config.output().first_fragment_frames(), 2);
    stream->Write(Service::Started());
    stream->Write(Service::FirstFragment("fir"));
    // Another process reads what the client writes: looking again and again is all there is.
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (on_disk != "fir" && absl::Now() < give_up) on_disk = ReadFile(output);
    stream->Write(Service::Chunk(0, "first"));
    return grpc::Status::OK;
  });
  ::testing::internal::CaptureStdout();
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--chunks", "1", "--first-fragment-frames", "2", "--server",
                                           service.address(), "--output", output});
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("time to first frames"));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(on_disk, "fir") << "before its chunk was there";
  EXPECT_EQ(ReadFile(output), "first");
}

TEST(GenerateCommandTest, EachPromptOfAFileBecomesAVideoOfItsOwn) {
  Service service([](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, config.prompt()));
    return config.prompt() == "b" ? grpc::Status(grpc::StatusCode::INTERNAL, "no luck with b") : grpc::Status::OK;
  });
  const std::string prompts = TempPath("prompts.txt");
  std::ofstream(prompts) << "a\nb\nc\n";
  const std::string video = TempPath("many.h264");
  ::testing::internal::CaptureStderr();
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--server", service.address(), "--prompts", prompts, "--at-once=2", "--output", video});
  const std::string told = ::testing::internal::GetCapturedStderr();
  // One failure does not keep the others from being made.
  EXPECT_THAT(std::string(status.message()), HasSubstr("no luck with b"));
  EXPECT_THAT(told, HasSubstr("no luck with b"));
  for (const char* name : {"1", "2", "3"}) {
    EXPECT_EQ(ReadFile(TempPath(std::string("many-") + name + ".h264")),
              std::string(1, static_cast<char>('`' + *name - '0')));
    EXPECT_THAT(told, HasSubstr(std::string("many-") + name + ".h264: "));
  }
}

TEST(GenerateCommandTest, PlayFeedsAPlayerBesideTheFile) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "one"));
    stream->Write(Service::Chunk(1, "two"));
    return grpc::Status::OK;
  });
  const std::string played = TempPath("played");
  setenv("VIDEODIFFCR_PLAYER", ("cp /dev/stdin " + played).c_str(), 1);
  const std::string video = TempPath("beside.h264");
  EXPECT_TRUE(
      RunSubcommand(GenerateSubcommand(), {"--server", service.address(), "--prompt", "p", "--play", "--output", video})
          .ok());
  unsetenv("VIDEODIFFCR_PLAYER");
  EXPECT_EQ(ReadFile(played), "onetwo");
  EXPECT_EQ(ReadFile(video), "onetwo");
}

TEST(GenerateCommandTest, StopsTheServerBeforeAChangeWithCreditsAndGrantsMoreOnlyAfterTheUpdate) {
  Service service([](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
    EXPECT_EQ(config.initial_chunk_credits(), 1);
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "0"));
    v1::StreamVideoRequest request;
    EXPECT_TRUE(stream->Read(&request));
    EXPECT_EQ(request.update().prompt(), "b");
    EXPECT_TRUE(stream->Read(&request));
    EXPECT_EQ(request.credit().chunks(), 1);
    v1::StreamVideoResponse applied;
    applied.mutable_update_applied()->set_update_id(1);
    applied.mutable_update_applied()->set_first_chunk(1);
    stream->Write(applied);
    stream->Write(Service::Chunk(1, "1"));
    return grpc::Status::OK;
  });
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--chunks", "2", "--switch", "1:b", "--server",
                                           service.address(), "--output", TempPath("switch.mp4")});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(GenerateCommandTest, AChangeAtTheWrongChunkFailsTheCommandAndCancelsTheCall) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "0"));
    v1::StreamVideoResponse applied;
    applied.mutable_update_applied()->set_update_id(1);
    applied.mutable_update_applied()->set_first_chunk(2);
    stream->Write(applied);
    v1::StreamVideoRequest request;
    while (stream->Read(&request)) {
    }
    EXPECT_TRUE(context->IsCancelled());
    return grpc::Status::OK;
  });
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--chunks", "4", "--switch", "1:b", "--server",
                                           service.address(), "--output", TempPath("late.mp4")});
  EXPECT_THAT(std::string(status.message()), HasSubstr("meant for chunk 1 took effect at chunk 2"));
}

TEST(GenerateCommandTest, WhatTheServerHasToSayIsToldBesideTheProgress) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    v1::StreamVideoResponse response;
    response.mutable_state_changed()->set_state(v1::SESSION_STATE_WAITING);
    response.mutable_state_changed()->set_reason("no place is free");
    stream->Write(response);
    response.mutable_state_changed()->set_state(v1::SESSION_STATE_GENERATING);
    stream->Write(response);
    response.mutable_warning()->set_message("the model does not know: hippopotamus");
    stream->Write(response);
    v1::BudgetChanged* const changed = response.mutable_budget_changed();
    changed->set_origin(v1::BUDGET_ORIGIN_CLIENT);
    changed->set_retention_target(0.9);
    stream->Write(response);
    changed->set_origin(v1::BUDGET_ORIGIN_SERVER);
    changed->set_retention_target(0.7);
    changed->set_first_chunk(3);
    changed->set_reason("load");
    stream->Write(response);
    stream->Write(Service::Chunk(0, "0"));
    return grpc::Status::OK;
  });
  ::testing::internal::CaptureStderr();
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(),
      {"--prompt", "a", "--chunks", "1", "--server", service.address(), "--output", TempPath("notes.mp4")});
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(text, HasSubstr("scripted, 160x96 at 16 fps, seed 7, writing " + TempPath("notes.mp4")));
  EXPECT_THAT(text, HasSubstr("waiting: no place is free\nnote: the model does not know: hippopotamus\n"
                              "the server set the budget to 0.70 from chunk 3 on: load\n"));
  EXPECT_THAT(text, HasSubstr("chunk 1/1  1 frames"));
}

TEST(GenerateCommandTest, AChunkBeforeTheStartIsAnError) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Chunk(0, "0"));
    return grpc::Status::OK;
  });
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", TempPath("early.mp4")});
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

TEST(GenerateCommandTest, AServersWordsDoNotSteerTheTerminal) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    v1::StreamVideoResponse response = Service::Started();
    response.mutable_started()->set_model("\x1B]0;evil\x07");
    stream->Write(response);
    response.mutable_warning()->set_message("\x1B[2J\r\nvideodiffcr: all is well");
    stream->Write(response);
    return grpc::Status(grpc::StatusCode::ABORTED, "\x1B[31mred\u009B");
  });
  ::testing::internal::CaptureStderr();
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", TempPath("words.mp4")});
  const std::string text = ::testing::internal::GetCapturedStderr() + DescribeStatus(status);
  EXPECT_THAT(text, Not(HasSubstr("\x1B")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  EXPECT_THAT(text, HasSubstr("note: \\x1b[2J\\x0d\\x0avideodiffcr: all is well\n"));
  EXPECT_THAT(text, HasSubstr("ABORTED: \\x1b[31mred\\xc2\\x9b"));
  v1::GetServerInfoResponse info;
  info.set_version("\x1B[1m");
  info.mutable_model()->set_name("\x1B[2m");
  info.mutable_model()->set_description("\x1B[3m");
  info.mutable_model()->add_vocabulary("\x1B[4m");
  info.mutable_model()->add_example_prompts("\x1B[5m");
  info.set_device("\x1B[6m");
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("\x1B")));
}

TEST(GenerateCommandTest, FlagsThatMakeNoSenseAreAnErrorOfTheCommand) {
  EXPECT_TRUE(absl::IsInvalidArgument(RunSubcommand(GenerateSubcommand(), {"--prompt", ""})));
  EXPECT_TRUE(absl::IsInvalidArgument(RunSubcommand(InfoSubcommand(), {"--server", "nowhere"})));
}

}  // namespace
}  // namespace videodiffcr
