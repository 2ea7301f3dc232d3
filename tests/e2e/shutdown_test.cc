// How the server process ends.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/video_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ShutdownTest, SigtermEndsAnIdleServerWithStatusZero) {
  ServerProcess server;
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
}

TEST(ShutdownTest, SigtermEndsAServerThatStillLoadsItsModel) {
  const std::string folder = TempPath("endless_model");
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  const std::string config = folder + "/config.json";
  ASSERT_EQ(mkfifo(config.c_str(), 0600), 0);
  Process server(
      {BinaryPath("videodiffcr-server"), "--model-folder=" + folder, "--listen=127.0.0.1:0", "--metrics-listen="});
  const int writer = open(config.c_str(), O_WRONLY);  // returns when the server reads
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.output();
  EXPECT_THAT(server.output(), HasSubstr("told to stop while loading"));
  close(writer);
  std::filesystem::remove_all(folder);
}

TEST(ShutdownTest, SigtermEndsARunningSessionAtAChunkSoThatItsFilePlays) {
  ServerProcess server;
  const std::string video = TempPath("drained.mp4");
  Process client(Generate(server, {"--prompt", "a red circle moves right", "--chunks", "0", "--output", video}));
  ASSERT_TRUE(client.ReadUntil("chunk 1 ")) << client.output();
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
  EXPECT_EQ(client.Wait(), 1) << client.output();
  EXPECT_THAT(client.output(), HasSubstr("ABORTED"));
  const size_t frames = ProbeFile(video).frames.size();
  EXPECT_GE(frames, 9);
  EXPECT_EQ((frames - 9) % 12, 0) << "whole chunks";
}

// Standard error is a pipe here that holds 64 KiB and that nobody reads before the end.
TEST(ShutdownTest, ALogThatNobodyReadsHoldsNeitherCallsNorTheEndAndQuotesNobody) {
  const std::string port_file = TempPath("unread_log_port");
  Process server({BinaryPath("videodiffcr-server"), "--model_folder=" + SourcePath("models/tiny"),
                  "--listen=127.0.0.1:0", "--metrics_listen=", "--port_file=" + port_file});
  while (!std::filesystem::exists(port_file)) ASSERT_TRUE(server.running());
  const std::string ports = ReadFile(port_file);
  const absl::StatusOr<std::unique_ptr<VideoClient>> client =
      VideoClient::Connect("127.0.0.1:" + ports.substr(10, ports.find('\n') - 10), absl::Seconds(30));
  ASSERT_TRUE(client.ok()) << client.status();
  v1::SessionConfig config;
  config.set_prompt("a secret");
  config.set_width(17);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ((*client)->StreamVideo(config)->Finish().code(), absl::StatusCode::kInvalidArgument);
  }
  config.clear_width();
  config.set_prompt(std::string(5000, 'q'));
  EXPECT_EQ((*client)->StreamVideo(config)->Finish().code(), absl::StatusCode::kInvalidArgument);
  server.Signal(SIGTERM);
  while (server.running()) std::this_thread::yield();
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.output(), HasSubstr("call refused connection=ipv4:127.0.0.1"));
  EXPECT_THAT(server.output(), Not(HasSubstr("secret")));
  EXPECT_THAT(server.output(), Not(HasSubstr("qqq")));
  std::filesystem::remove(port_file);
}

// Their signals were blocked for what takes them while they serve, and here nothing does.
TEST(ShutdownTest, SigtermEndsAnAnswerThatNobodyReads) {
  for (const std::string program : {"videodiffcr-server", "videodiffcr-gateway"}) {
    SCOPED_TRACE(program);
    const std::string path = TempPath("unread_" + program);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    const int unread = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(fcntl(unread, F_SETPIPE_SZ, 4096), 4096) << "less than the help";
    Process answering({BinaryPath(program), "--help"}, path);
    pollfd begun = {unread, POLLIN, 0};
    ASSERT_EQ(poll(&begun, 1, -1), 1);
    answering.Signal(SIGTERM);
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (answering.running() && absl::Now() < deadline) std::this_thread::yield();
    ASSERT_FALSE(answering.running());
    EXPECT_EQ(answering.Wait(), 128 + SIGTERM);
    close(unread);
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace videodiffcr
