// Where the client's videos and pictures go, and what becomes of places that take none.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "client/generate_command.h"
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
using Service = ScriptedVideoService;

std::string TempPath(const std::string& name) { return ::testing::TempDir() + "/generate_output_test_" + name; }

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
