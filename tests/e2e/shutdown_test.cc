// How the server process ends.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace videodiffcr
