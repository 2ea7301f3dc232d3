// How the server process ends.
#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/process.h"
#include "tests/e2e/server_process.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(ShutdownTest, SigtermEndsAnIdleServerWithStatusZero) {
  ServerProcess server;
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
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
