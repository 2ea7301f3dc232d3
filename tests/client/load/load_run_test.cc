// Whole loads on a whole server with the fake model.
#include "client/load/load_run.h"

#include <gtest/gtest.h>

#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"

namespace videodiffcr {
namespace {

std::map<std::string, double> Figures(const LoadOptions& options) {
  RunningCalls calls;
  const absl::StatusOr<std::vector<ViewerOutcome>> outcomes = RunLoad(options, &calls, [](const LoadProgress&) {});
  EXPECT_TRUE(outcomes.ok()) << outcomes.status();
  for (const ViewerOutcome& outcome : *outcomes) EXPECT_EQ(outcome.error, "");
  return FiguresOf(*outcomes);
}

const LoadServer kNobody = {"127.0.0.1:1", {}, absl::Milliseconds(100)};

class LoadRunTest : public ::testing::Test {
 protected:
  LoadRunTest() {
    options_.server.address = server_.address();
    options_.prompts = {"a red circle moves right"};
    options_.playout_seconds.reset();
    options_.duration = absl::Milliseconds(300);
  }
  TestServer server_;
  LoadOptions options_;
};

TEST_F(LoadRunTest, AnOpenLoopBeginsItsSessionsAndSeesThemToTheirEnd) {
  options_.arrivals = *ParseArrivals("burst:3@200ms");
  const auto figures = Figures(options_);
  EXPECT_EQ(figures.at("sessions"), 6);
  EXPECT_EQ(figures.at("finished"), 6);
  EXPECT_EQ(figures.at("chunks"), 48);
  EXPECT_EQ(figures.at("lost"), 0);
}

TEST_F(LoadRunTest, FirstFramesComeAheadOfTheirChunkWhereTheyAreWantedAndWithItOtherwise) {
  options_.arrivals = *ParseArrivals("burst:1@1h");
  options_.verify_share = 1;
  const auto whole = Figures(options_);
  EXPECT_EQ(whole.at("first_frames_p50_ms"), whole.at("first_chunk_p50_ms"));
  options_.first_fragment_frames = 1;
  const auto early = Figures(options_);
  EXPECT_GT(early.at("first_frames_p50_ms"), 0);
  EXPECT_LT(early.at("first_frames_p50_ms"), early.at("first_chunk_p50_ms"));
  EXPECT_EQ(early.at("lost"), 0);
  EXPECT_EQ(early.at("changed"), 0);
}

TEST_F(LoadRunTest, AClosedLoopKeepsItsNumberBusy) {
  options_.arrivals = *ParseArrivals("closed:2");
  options_.duration = absl::Hours(1);  // however long five sessions take
  RunningCalls calls;
  const auto outcomes = RunLoad(options_, &calls, [&](const LoadProgress& now) {
    EXPECT_LE(now.running, 2);
    if (now.begun >= 5) calls.CancelAll();
  });
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_GE(FiguresOf(*outcomes).at("finished"), 3);
}

TEST_F(LoadRunTest, AClosedLoopSeesItsSessionsToTheirEnd) {
  options_.arrivals = *ParseArrivals("closed:2");
  const auto figures = Figures(options_);
  EXPECT_GE(figures.at("finished"), 2);
  EXPECT_EQ(figures.at("finished"), figures.at("sessions"));
}

// Of a budget that the server does not have thousands of sessions a second would fail.
TEST_F(LoadRunTest, AClosedLoopWaitsBehindASessionThatFailedAsBehindOneThatWasRefused) {
  options_.arrivals = *ParseArrivals("closed:1");
  options_.budgets = {LoadBudget{0.33}};
  options_.duration = absl::Milliseconds(150);  // who failed waits for 100 ms at least
  RunningCalls calls;
  const auto outcomes = RunLoad(options_, &calls, [](const LoadProgress&) {});
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_LE(outcomes->size(), 2u);
  for (const ViewerOutcome& outcome : *outcomes) EXPECT_EQ(outcome.end, ViewerEnd::kFailed);
}

TEST_F(LoadRunTest, SessionsThatAreCutAgainAndAgainAreByteForByteWhatTheyWouldHaveBeen) {
  options_.arrivals = *ParseArrivals("burst:4@1s");
  options_.least_chunks = 4;
  options_.most_chunks = 24;
  options_.cut_share = 0.2;
  options_.verify_share = 1;
  const auto figures = Figures(options_);
  EXPECT_GT(figures.at("resumes"), 0);
  EXPECT_EQ(figures.at("verified"), figures.at("chunks"));
  EXPECT_EQ(figures.at("changed"), 0);
  EXPECT_EQ(figures.at("lost"), 0);
  EXPECT_EQ(figures.at("damaged"), 0);
}

TEST_F(LoadRunTest, KilledSessionsLeaveNothingBehind) {
  options_.arrivals = *ParseArrivals("burst:12@1s");
  options_.least_chunks = options_.most_chunks = 1;
  options_.kill_share = 1;
  const auto figures = Figures(options_);
  EXPECT_EQ(figures.at("killed"), 12);
  EXPECT_GT(figures.at("chunks"), 0);
  EXPECT_LT(figures.at("chunks"), 12) << "none was cancelled before its first chunk";
  EXPECT_TRUE(server_.model().WaitForLiveSessions(0));
}

TEST_F(LoadRunTest, ViewersOfGivenPlansBeginAtTheirMomentsAndComeBackInTheirOrder) {
  std::vector<PlannedViewer> viewers(12);  // of more than one connection
  std::vector<int> chunks_seen(viewers.size());
  for (size_t i = 0; i < viewers.size(); ++i) {
    viewers[i].begins = absl::Milliseconds(20) * i;
    viewers[i].plan.config = SmallConfig(static_cast<int>(viewers.size() - i));  // the last to come ends first
    viewers[i].plan.observe = [count = &chunks_seen[i]](const v1::StreamVideoResponse& response) {
      *count += response.has_chunk() ? 1 : 0;
    };
  }
  const absl::StatusOr<std::vector<ViewerOutcome>> outcomes = RunPlans(options_.server, viewers);
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  ASSERT_EQ(outcomes->size(), viewers.size());
  for (size_t i = 0; i < viewers.size(); ++i) {
    const ViewerOutcome& outcome = (*outcomes)[i];
    EXPECT_EQ(outcome.end, ViewerEnd::kFinished) << outcome.error;
    EXPECT_GE(outcome.began, viewers[i].begins);
    EXPECT_EQ(outcome.chunks.size(), viewers.size() - i);
    EXPECT_EQ(chunks_seen[i], static_cast<int>(viewers.size() - i));
  }
}

TEST_F(LoadRunTest, ALoadThatIsCancelledEndsWithWhatThereIsAndWithoutFailures) {
  options_.duration = absl::Hours(1);
  options_.least_chunks = options_.most_chunks = 1000;
  options_.slow_share = options_.verify_share = 1;
  options_.slow_pause = absl::Hours(1);
  for (const char* arrivals : {"closed:2", "burst:2@1m"}) {
    SCOPED_TRACE(arrivals);
    options_.arrivals = *ParseArrivals(arrivals);
    RunningCalls calls;
    const absl::StatusOr<std::vector<ViewerOutcome>> outcomes = RunLoad(options_, &calls, [&](const LoadProgress& now) {
      if (now.chunks >= 2) calls.CancelAll();
    });
    ASSERT_TRUE(outcomes.ok()) << outcomes.status();
    const auto figures = FiguresOf(*outcomes);
    EXPECT_EQ(figures.at("sessions"), 2);
    EXPECT_EQ(figures.at("chunks"), 2);
    EXPECT_EQ(figures.at("failed"), 0);
    EXPECT_EQ(figures.at("verified"), 0);
  }
}

TEST_F(LoadRunTest, PlansWithoutAServerAreAnError) { EXPECT_FALSE(RunPlans(kNobody, {PlannedViewer()}).ok()); }

TEST_F(LoadRunTest, NoServerIsAnError) {
  options_.server = kNobody;
  options_.prompts.clear();
  RunningCalls calls;
  EXPECT_FALSE(RunLoad(options_, &calls, [](const LoadProgress&) {}).ok());
}

TEST_F(LoadRunTest, ATraceThatCannotBeReadIsTheErrorWithoutWaitingForAServer) {
  options_.server = kNobody;
  options_.arrivals = *ParseArrivals("trace:/nowhere/arrivals");
  RunningCalls calls;
  const auto outcomes = RunLoad(options_, &calls, [](const LoadProgress&) {});
  EXPECT_NE(outcomes.status().message().find("the trace /nowhere/arrivals"), std::string::npos) << outcomes.status();
}

}  // namespace
}  // namespace videodiffcr
