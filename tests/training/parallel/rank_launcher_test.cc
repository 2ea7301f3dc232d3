#include "training/parallel/rank_launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A shell command for every rank, which finds its rank in $rank and a folder of its own in $PWD.
class RankLauncherTest : public ::testing::Test {
 protected:
  absl::Status Run(const std::string& script, int64_t world = 3, std::vector<std::string> gpus = {}) {
    const std::string prelude = absl::StrCat("cd ", folder_.path(), "; rank=${VIDEODIFFCR_TRAIN_PLACE%% *}; ");
    return RunRanks({{"/bin/sh", "-c", prelude + script}, world, std::move(gpus)}, errors_);
  }
  std::string Read(const std::string& name) const { return ReadFile(folder_.Path(name)); }

  const TemporaryFolder folder_;
  std::ostringstream errors_;
};

TEST_F(RankLauncherTest, RunsEveryRankWithItsPlaceAndItsGpu) {
  ASSERT_TRUE(Run("echo \"$VIDEODIFFCR_TRAIN_PLACE gpu $CUDA_VISIBLE_DEVICES\" > $rank; echo quiet >&2", 3,
                  {"4", "GPU-ab", "6"})
                  .ok());
  EXPECT_THAT(Read("0"), ::testing::MatchesRegex("0 3 [0-9]+ [0-9]+,[0-9]+ gpu 4\n"));
  EXPECT_THAT(Read("1"), ::testing::MatchesRegex("1 3 [0-9]+ [0-9]+ gpu GPU-ab\n"));
  EXPECT_THAT(Read("2"), ::testing::MatchesRegex("2 3 [0-9]+ [0-9]+ gpu 6\n"));
  EXPECT_EQ(errors_.str(), "") << "words of ranks that end well";
}

TEST_F(RankLauncherTest, LeavesEachRankItsOwnSocketsOpenAndNoOthers) {
  // Each rank's sockets, as it says where they are, must be sockets; and there are as many as it has ends.
  ASSERT_TRUE(Run("set -- $VIDEODIFFCR_TRAIN_PLACE; for fd in $(echo $4 | tr , ' '); do "
                  "[ -S /proc/$$/fd/$fd ] || exit 1; done; "
                  "for fd in /proc/$$/fd/*; do [ ! -S $fd ] || echo $fd; done | wc -l > $rank")
                  .ok())
      << errors_.str();
  EXPECT_EQ(Read("0"), "2\n");
  EXPECT_EQ(Read("1"), "1\n");
  EXPECT_EQ(Read("2"), "1\n");
}

TEST_F(RankLauncherTest, StopsAllSoonWhenOneFailsAndRepeatsItsWords) {
  const absl::Time start = absl::Now();
  const absl::Status status =
      Run("[ $rank = 2 ] && { echo one >&2; echo 'disk full' >&2; exit 7; }; echo $$ > pid$rank; exec sleep 600");
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("rank 2 ended with status 7 (disk full); all 3 processes were stopped"),
                    Not(HasSubstr("rank 0")), Not(HasSubstr("rank 1"))));
  EXPECT_EQ(errors_.str(), "rank 2: one\nrank 2: disk full\n");
  for (const char* name : {"pid0", "pid1"}) {
    const std::string pid = Read(name);  // empty when it was stopped before it could say
    if (!pid.empty()) {
      EXPECT_NE(kill(std::stoi(pid), 0), 0) << name << " still runs";
    }
  }
}

TEST_F(RankLauncherTest, SaysWhichRankWasKilledAndWhatTheOthersSaidOfIt) {
  const absl::Status status =
      Run("[ $rank = 0 ] && kill -9 $$; [ $rank = 1 ] && { echo 'rank 0 is gone' >&2; exit 1; }; exec sleep 600");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("rank 0 was killed by signal 9"),
                                                   HasSubstr("rank 1 ended with status 1 (rank 0 is gone)")));
}

TEST_F(RankLauncherTest, NamesAProgramThatCannotBeStarted) {
  EXPECT_THAT(std::string(RunRanks({{"/nowhere/program"}, 2, {}}, errors_).message()),
              HasSubstr("rank 0: cannot start /nowhere/program"));
}

TEST(GpusOfRanksTest, TakesTheFirstOfThoseThatAreVisible) {
  EXPECT_THAT(GpusOfRanks(2, nullptr).value(), ElementsAre("0", "1"));
  EXPECT_THAT(GpusOfRanks(2, "3,GPU-ab,5").value(), ElementsAre("3", "GPU-ab"));
  EXPECT_EQ(GpusOfRanks(3, "3,5").status().message(), "--gpus 3: CUDA_VISIBLE_DEVICES '3,5' names 2");
}

TEST(PlaceOfThisProcessTest, IsNoneWhereNobodyGaveOneAndRefusesNonsense) {
  EXPECT_FALSE(PlaceOfThisProcess().value().has_value());
  for (const char* nonsense : {"", "0", "2 2 1 9", "0 2 1 x", "-1 2 1 0", "0 3 1 0", "0 2 1 12345"}) {
    ASSERT_EQ(setenv("VIDEODIFFCR_TRAIN_PLACE", nonsense, 1), 0);
    EXPECT_EQ(PlaceOfThisProcess().status().code(), absl::StatusCode::kInvalidArgument) << nonsense;
  }
  unsetenv("VIDEODIFFCR_TRAIN_PLACE");
}

}  // namespace
}  // namespace videodiffcr::training
