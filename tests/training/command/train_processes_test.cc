// The real program with several processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"
#include "tests/training/tiny_model.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

class TrainProcessesTest : public ::testing::Test {
 protected:
  std::vector<std::string> Wording(const std::string& run, const std::vector<std::string>& more) const {
    std::vector<std::string> command = {std::string(getenv("VIDEODIFFCR_BIN_DIR")) + "/videodiffcr-train",
                                        "wording",
                                        "--model",
                                        TinyModel(),
                                        "--output",
                                        folder_.Path("out_" + run),
                                        "--run",
                                        folder_.Path(run),
                                        "--batch",
                                        "4",
                                        "--threads",
                                        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  std::vector<double> Losses(const std::string& run) const {
    std::vector<double> losses;
    for (const absl::string_view line : absl::StrSplit(ReadFile(folder_.Path(run + "/loss.csv")), '\n')) {
      const std::vector<absl::string_view> fields = absl::StrSplit(line, ',');
      double loss = 0;
      if (fields.size() == 4 && absl::SimpleAtod(fields[1], &loss)) losses.push_back(loss);
    }
    return losses;
  }

  const TemporaryFolder folder_;
};

// The process of a rank, held so that its number cannot become another's.
class RankHandle {
 public:
  // The child of `launcher` that is told to be `rank`.
  RankHandle(pid_t launcher, int rank) {
    const std::string children = ReadFile(absl::StrCat("/proc/", launcher, "/task/", launcher, "/children"));
    for (const absl::string_view pid : absl::StrSplit(children, ' ', absl::SkipWhitespace())) {
      const std::string environment = ReadFile(absl::StrCat("/proc/", pid, "/environ"));
      if (!absl::StrContains(environment, absl::StrCat("VIDEODIFFCR_TRAIN_PLACE=", rank, " "))) continue;
      int number = 0;
      EXPECT_TRUE(absl::SimpleAtoi(pid, &number));
      handle_ = static_cast<int>(syscall(SYS_pidfd_open, number, 0));
    }
  }
  ~RankHandle() { close(handle_); }
  RankHandle(const RankHandle&) = delete;
  RankHandle& operator=(const RankHandle&) = delete;

  bool found() const { return handle_ >= 0; }
  void Kill() const { EXPECT_EQ(syscall(SYS_pidfd_send_signal, handle_, SIGKILL, nullptr, 0), 0); }
  bool EndsWithin(int seconds) const {
    pollfd polled = {handle_, POLLIN, 0};
    return poll(&polled, 1, seconds * 1000) == 1;
  }

 private:
  int handle_ = -1;
};

TEST_F(TrainProcessesTest, TwoLeaveTheLossesAndTheResultOfOneThatAccumulates) {
  const Finished two = RunProgram(Wording("two", {"--steps", "3", "--processes", "2"}));
  ASSERT_EQ(two.status, 0) << two.output;
  const Finished one = RunProgram(Wording("one", {"--steps", "3", "--accumulate", "2"}));
  ASSERT_EQ(one.status, 0) << one.output;
  const std::vector<double> losses = Losses("two"), expected = Losses("one");
  ASSERT_EQ(losses.size(), 3u) << two.output;
  ASSERT_EQ(expected.size(), 3u) << one.output;
  for (size_t step = 0; step < 3; ++step) EXPECT_NEAR(losses[step], expected[step], 1e-4) << step;
  EXPECT_TRUE(std::filesystem::exists(folder_.Path("out_two/text_encoder.safetensors")));
}

TEST_F(TrainProcessesTest, WhenOneIsKilledAllStopSoonAndOneAloneGoesOnAndThenTwoAgain) {
  // A checkpoint takes both, so there is one before any of them is killed.
  const Finished begun = RunProgram(Wording("run", {"--steps", "1000000", "--max-steps", "1", "--processes", "2"}));
  ASSERT_EQ(begun.status, 0) << begun.output;
  Process training(Wording("run", {"--steps", "1000000", "--processes", "2", "--checkpoint-every", "1"}));
  ASSERT_TRUE(training.ReadUntil("wording: step ")) << training.output();
  const RankHandle first(training.pid(), 0), second(training.pid(), 1);
  ASSERT_TRUE(first.found() && second.found());
  second.Kill();
  EXPECT_TRUE(first.EndsWithin(30));
  EXPECT_EQ(training.Wait(), 1);
  EXPECT_THAT(training.output(), HasSubstr("rank 1 was killed by signal 9"));
  const Finished alone = RunProgram(Wording("run", {"--steps", "1000000", "--max-steps", "1"}));
  EXPECT_EQ(alone.status, 0) << alone.output;
  EXPECT_THAT(alone.output, HasSubstr("wording: goes on at step "));
  const Finished again = RunProgram(Wording("run", {"--steps", "1000000", "--max-steps", "2", "--processes", "2"}));
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("wording: goes on at step "));
}

TEST_F(TrainProcessesTest, NoneOutlivesTheCommandThatStartedThem) {
  Process training(Wording("run", {"--steps", "1000000", "--processes", "2"}));
  ASSERT_TRUE(training.ReadUntil("wording: step ")) << training.output();
  const RankHandle first(training.pid(), 0), second(training.pid(), 1);
  ASSERT_TRUE(first.found() && second.found());
  training.Signal(SIGKILL);
  EXPECT_TRUE(first.EndsWithin(30));
  EXPECT_TRUE(second.EndsWithin(30));
}

TEST_F(TrainProcessesTest, WhatAllOfThemFindMissingIsSaid) {
  std::vector<std::string> command = Wording("run", {"--processes", "2"});
  command[3] = folder_.Path("nowhere");
  const Finished failed = RunProgram(command);
  EXPECT_NE(failed.status, 0);
  EXPECT_THAT(failed.output, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace videodiffcr::training
