#include "client/generate_command.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "client/call_status.h"
#include "client/info_command.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "system/wrong_usage.h"
#include "tests/client/scripted_video_service.h"
#include "tests/command_line/full_standard_output.h"
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

TEST(GenerateCommandTest, ARefusedCallLeavesAnOlderFileAlone) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) {
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the server is full");
  });
  const std::string output = TempPath("older.mp4");
  std::ofstream(output) << "older video";
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", output});
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReadFile(output), "older video");
}

TEST(GenerateCommandTest, AnErrorInTheMiddleKeepsWhatHasArrived) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "[first]"));
    return grpc::Status(grpc::StatusCode::ABORTED, "the server is going down");
  });
  const std::string output = TempPath("aborted.mp4");
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", output});
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(ReadFile(output), "[first]");
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

// A disk that is full after `bytes` bytes of a file: what the system says then differs in words alone.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_action_(signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit limited = {bytes, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, old_action_);
  }

 private:
  rlimit before_;
  sighandler_t old_action_;
};

TEST(GenerateCommandTest, ADiskThatFillsUpKeepsWholeFragmentsOnly) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, std::string(1000, '0')));
    stream->Write(Service::Chunk(1, std::string(1000, '1')));
    v1::StreamVideoRequest request;
    stream->Read(&request);
    return grpc::Status::CANCELLED;
  });
  const std::string output = TempPath("fills_up.mp4");
  absl::Status status;
  {
    const FileSizeLimit limit(1500);
    status = RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", output});
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReadFile(output), std::string(1000, '0'));
}

TEST(GenerateCommandTest, APlaceThatCannotBeWrittenIsRefusedBeforeAnythingIsGenerated) {
  std::atomic<int> calls = 0;
  Service service([&](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) {
    ++calls;
    return grpc::Status::OK;
  });
  const std::string output = TempPath("not_made.mp4");
  const absl::Status sheet = RunSubcommand(
      GenerateSubcommand(),
      {"--prompt", "a", "--server", service.address(), "--output", output, "--contact-sheet", "/nowhere/sheet.png"});
  EXPECT_TRUE(absl::IsNotFound(sheet)) << sheet;
  EXPECT_THAT(std::string(sheet.message()), HasSubstr("make its folder"));
  EXPECT_THAT(std::string(sheet.message()), HasSubstr("/nowhere/sheet.png"));
  EXPECT_THAT(std::string(sheet.message()), HasSubstr("--contact-sheet"));
  const std::string folder = TempPath("folder.mp4");
  std::filesystem::create_directories(folder);
  const absl::Status video =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", folder});
  EXPECT_TRUE(absl::IsFailedPrecondition(video)) << video;
  EXPECT_THAT(std::string(video.message()), HasSubstr("(Is a directory): name another file with --output"));
  EXPECT_EQ(calls, 0);
  EXPECT_FALSE(std::filesystem::exists(output)) << "looking leaves nothing behind";
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

TEST(GenerateCommandTest, FiguresThatStandardOutputDoesNotTakeFailTheCommandAndTheVideoStays) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "video"));
    return grpc::Status::OK;
  });
  const std::string output = TempPath("without_figures.mp4");
  absl::Status status;
  {
    const FullStandardOutput full;
    status = RunSubcommand(GenerateSubcommand(),
                           {"--prompt", "a", "--chunks", "1", "--server", service.address(), "--output", output});
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write to standard output"));
  EXPECT_EQ(ReadFile(output), "video");
}

TEST(GenerateCommandTest, ADiskThatIsFullEndsTheCallAndSaysSo) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, std::string(100'000, '0')));
    v1::StreamVideoRequest request;
    stream->Read(&request);
    EXPECT_TRUE(context->IsCancelled());
    return grpc::Status::CANCELLED;
  });
  // Raw frames go to any name that ends as they should; a link gives the device one.
  const std::string link = TempPath("full.rgb");
  std::filesystem::remove(link);
  std::filesystem::create_symlink("/dev/full", link);
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", link});
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write on to " + link));
  std::filesystem::remove(link);
}

TEST(GenerateCommandTest, AContactSheetThatCannotBeMadeFailsTheCommand) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "no video"));
    return grpc::Status::OK;
  });
  const absl::Status status =
      RunSubcommand(GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output",
                                           TempPath("no_video.mp4"), "--contact-sheet", TempPath("sheet.png")});
  EXPECT_TRUE(absl::IsDataLoss(status)) << status << ": no wrong flag";
  EXPECT_THAT(std::string(status.message()), HasSubstr("no_video.mp4"));
}

// Reading the video back from a pipe waited for ever, and from a device failed once everything was generated.
TEST(GenerateCommandTest, AContactSheetOfAPipeOrADeviceIsRefusedBeforeAnythingIsGenerated) {
  const std::string pipe = TempPath("pipe.mp4");
  const std::string null = TempPath("null.mp4");
  for (const std::string& path : {pipe, null}) std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/null", null);
  for (const std::string& path : {pipe, null}) {
    const absl::Status status = RunSubcommand(
        GenerateSubcommand(),
        {"--prompt", "a", "--server", "127.0.0.1:1", "--output", path, "--contact-sheet", TempPath("sheet.png")});
    EXPECT_TRUE(IsWrongUsage(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is a pipe or a device"));
    std::filesystem::remove(path);
  }
}

// Nobody reads the pipe: the picture would have waited for a reader once everything was generated.
TEST(GenerateCommandTest, AContactSheetIntoAPipeIsRefusedBeforeAnythingIsGenerated) {
  const std::string pipe = TempPath("pipe.png");
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(),
      {"--prompt", "a", "--server", "127.0.0.1:1", "--output", TempPath("of_a_pipe.mp4"), "--contact-sheet", pipe});
  EXPECT_TRUE(IsWrongUsage(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--contact-sheet is " + pipe + ", which is no file"));
  std::filesystem::remove(pipe);
}

TEST(GenerateCommandTest, OfManyVideosEachPlaceIsLookedAtBeforeAnyIsGenerated) {
  const std::string prompts = TempPath("two_prompts.txt");
  std::ofstream(prompts) << "a\nb\n";
  const std::string taken = TempPath("taken-2.mp4");
  std::filesystem::create_directories(taken);
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--server", "127.0.0.1:1", "--prompts", prompts, "--output", TempPath("taken.mp4")});
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write " + taken));
  std::filesystem::remove(taken);
}

TEST(GenerateCommandTest, FlagsThatMakeNoSenseAreAnErrorOfTheCommand) {
  EXPECT_TRUE(absl::IsInvalidArgument(RunSubcommand(GenerateSubcommand(), {"--prompt", ""})));
  EXPECT_TRUE(absl::IsInvalidArgument(RunSubcommand(InfoSubcommand(), {"--server", "nowhere"})));
}

TEST(GenerateCommandTest, AnOutputThatCannotBeWrittenIsNamedWithTheFlag) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    v1::StreamVideoRequest request;
    stream->Read(&request);
    return grpc::Status::CANCELLED;
  });
  const absl::Status status = RunSubcommand(
      GenerateSubcommand(), {"--prompt", "a", "--server", service.address(), "--output", "/nowhere/video.mp4"});
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write /nowhere/video.mp4"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--output"));
}

}  // namespace
}  // namespace videodiffcr
