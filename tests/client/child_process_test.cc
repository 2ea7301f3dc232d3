#include "client/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "client/video_player.h"
#include "system/signals.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

TEST(ChildProcessTest, ItsExitStatusIsKnownAndThatOfASignalIsMoreThan128) {
  EXPECT_EQ((*ChildProcess::Start({"sh", "-c", "exit 3"}))->Wait(), 3);
  EXPECT_EQ((*ChildProcess::Start({"sh", "-c", "kill -9 $$"}))->Wait(), 128 + SIGKILL);
}

TEST(ChildProcessTest, WhatCannotBeRunIsNotFound) {
  const auto process = ChildProcess::Start({"/nowhere/program"});
  EXPECT_EQ(process.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(process.status().message()), ::testing::HasSubstr("/nowhere/program"));
}

TEST(ChildProcessTest, StopEndsAChildAlsoOneThatWillNot) {
  EXPECT_EQ((*ChildProcess::Start({"sleep", "1000"}))->Stop(), 128 + SIGTERM);
  const TemporaryFolder folder;
  const std::string deaf = folder.Path("deaf");
  ASSERT_EQ(mkfifo(deaf.c_str(), 0600), 0);
  const auto stubborn = ChildProcess::Start({"sh", "-c", "trap '' TERM; echo now >'" + deaf + "'; exec sleep 1000"});
  ASSERT_TRUE(stubborn.ok()) << stubborn.status();
  std::string word;
  std::ifstream(deaf) >> word;  // before that, SIGTERM would still end it
  EXPECT_EQ(word, "now");
  EXPECT_EQ((*stubborn)->Stop(absl::ZeroDuration()), 128 + SIGKILL);
}

TEST(ChildProcessTest, ItsOutputAndItsErrorsGoIntoTheFileThatIsNamed) {
  const TemporaryFolder folder;
  const std::string file = folder.Path("output");
  EXPECT_EQ((*ChildProcess::Start({"sh", "-c", "echo out; echo error >&2"}, {.output_file = file}))->Wait(), 0);
  EXPECT_EQ(ReadFile(file), "out\nerror\n");
  EXPECT_TRUE(absl::IsNotFound(ChildProcess::Start({"true"}, {.output_file = "/nowhere/output"}).status()));
}

TEST(ChildProcessTest, ABlockedSignalIsNotBlockedInTheChild) {
  BlockSignals(StopSignals());
  const auto process = ChildProcess::Start({"sleep", "1000"});
  UnblockSignals(StopSignals());
  EXPECT_EQ((*process)->Stop(), 128 + SIGTERM);
}

TEST(VideoPlayerTest, ThePlayerReadsTheVideoAndItsEndIsWaitedFor) {
  const TemporaryFolder folder;
  setenv("VIDEODIFFCR_PLAYER", ("cp /dev/stdin " + folder.Path("played")).c_str(), 1);
  {
    const auto player = VideoPlayer::Start([] { return false; });
    ASSERT_TRUE(player.ok()) << player.status();
    (*player)->Write("one");
    (*player)->Write("two");
  }
  std::ifstream file(folder.Path("played"));
  std::string text;
  file >> text;
  EXPECT_EQ(text, "onetwo");
  unsetenv("VIDEODIFFCR_PLAYER");
}

TEST(VideoPlayerTest, APlayerThatWasClosedTakesNothingMoreAndHoldsNobodyUp) {
  signal(SIGPIPE, SIG_IGN);
  setenv("VIDEODIFFCR_PLAYER", "true", 1);
  const auto player = VideoPlayer::Start([] { return false; });
  ASSERT_TRUE(player.ok()) << player.status();
  for (int i = 0; i < 100; ++i) (*player)->Write(std::string(1 << 16, 'x'));
  setenv("VIDEODIFFCR_PLAYER", "/nowhere/player -", 1);
  EXPECT_THAT(std::string(VideoPlayer::Start([] { return false; }).status().message()),
              ::testing::HasSubstr("VIDEODIFFCR_PLAYER"));
  unsetenv("VIDEODIFFCR_PLAYER");
}

// It used to be waited for without an end, so that its own end was the only one of the command that had started it.
TEST(VideoPlayerTest, OnceItIsInterruptedAPlayerThatGoesOnIsStopped) {
  setenv("VIDEODIFFCR_PLAYER", "sleep 1000", 1);
  int asked = 0;
  {
    const auto player = VideoPlayer::Start([&asked] { return ++asked > 3; });
  }
  EXPECT_EQ(asked, 4);
  unsetenv("VIDEODIFFCR_PLAYER");
}

TEST(VideoPlayerTest, OnceItIsInterruptedAPlayerThatTakesNothingHoldsNobodyUp) {
  signal(SIGPIPE, SIG_IGN);
  setenv("VIDEODIFFCR_PLAYER", "sleep 1000", 1);
  int asked = 0;
  {
    const auto player = VideoPlayer::Start([&asked] { return ++asked > 40; });
    ASSERT_TRUE(player.ok()) << player.status();
    (*player)->Write(std::string(1 << 20, 'x'));
  }
  EXPECT_GT(asked, 40);
  unsetenv("VIDEODIFFCR_PLAYER");
}

}  // namespace
}  // namespace videodiffcr
