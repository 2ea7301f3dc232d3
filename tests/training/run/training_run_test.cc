#include "training/run/training_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/system/read_file.h"
#include "training/parallel/host_exchange.h"
#include "training/run/adam_w.h"
#include "training/run/checkpoint.h"
#include "training/run/loss_log.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

// Draws a point per step and pulls its weight there.
class PointStage final : public TrainingStage {
 public:
  explicit PointStage(int64_t size = 8, uint64_t seed = 1)
      : seed_(seed), weight_(at::full({size}, 1.0)), optimizer_(Rows(), {}) {}

  std::string name() const override { return "point"; }
  int64_t total_steps() const override { return 20; }
  std::map<std::string, std::string> settings() const override { return {{"seed", absl::StrCat(seed_)}}; }
  std::vector<StateRow> State() override {
    const std::vector<WeightRow> weights = Rows();
    std::vector<StateRow> rows(weights.begin(), weights.end());
    for (StateRow& row : optimizer_.State("adam")) rows.push_back(row);
    return rows;
  }
  absl::StatusOr<StepResult> Step(int64_t step) override {
    if (step == nan_at) return StepResult{std::nan("")};
    StepRandom random(seed_, step, at::kCPU);
    const at::Tensor loss = (weight_ - random.Normal({weight_.size(0)})).square().sum();
    loss.backward();
    const absl::StatusOr<double> norm = optimizer_.Update(0.05, step);
    if (!norm.ok()) return norm.status();
    return StepResult{loss.item<double>(), 0.05, *norm};
  }
  absl::Status Finish() override {
    ++finished;
    return absl::OkStatus();
  }

  int64_t nan_at = -1;
  int finished = 0;

 private:
  std::vector<WeightRow> Rows() { return {{"weight", weight_.sizes().vec(), &weight_}}; }
  const uint64_t seed_;
  at::Tensor weight_;
  AdamW optimizer_;
};

class TrainingRunTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        testing::TempDir() + "/training_run_test." + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  TrainingRunOptions Options(const std::string& name) const {
    TrainingRunOptions options;
    options.run_folder = folder_ + "/" + name;
    options.checkpoint_every = 3;
    return options;
  }
  std::string Checkpoint(const std::string& name) const {
    return ReadFile(folder_ + "/" + name + "/checkpoint.safetensors");
  }
  std::string Losses(const std::string& name) const { return ReadFile(folder_ + "/" + name + "/loss.csv"); }

  std::string folder_;
  std::ostringstream progress_;
};

TEST_F(TrainingRunTest, GivesTheSameBitsTwiceForTheSameSeedAndOthersForAnother) {
  for (const auto& [name, seed] : {std::pair{"first", 1}, {"second", 1}, {"other", 2}}) {
    PointStage stage(8, seed);
    const auto end = RunTraining(stage, Options(name), progress_);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(*end, RunEnd::kFinished);
    EXPECT_EQ(stage.finished, 1);
  }
  EXPECT_EQ(Checkpoint("first"), Checkpoint("second"));
  EXPECT_EQ(Losses("first"), Losses("second"));
  EXPECT_NE(Losses("first"), Losses("other"));
}

TEST_F(TrainingRunTest, WritesWhatThereIsWhenALimitShallEndTheRun) {
  PointStage stage;
  TrainingRunOptions options = Options("run");
  options.max_steps = 4;
  ASSERT_EQ(RunTraining(stage, options, progress_).value(), RunEnd::kPaused);
  EXPECT_EQ(stage.finished, 0);
  options.finish_at_limit = true;
  ASSERT_EQ(RunTraining(stage, options, progress_).value(), RunEnd::kFinished);
  EXPECT_EQ(stage.finished, 1);
}

TEST_F(TrainingRunTest, GoesOnExactlyWhereItWasStopped) {
  PointStage whole;
  ASSERT_TRUE(RunTraining(whole, Options("whole"), progress_).ok());
  RunEnd end = RunEnd::kPaused;
  for (int piece = 0; piece < 4 && end == RunEnd::kPaused; ++piece) {
    PointStage stage;  // a new process knows nothing
    TrainingRunOptions options = Options("pieces");
    options.max_steps = 7;
    end = RunTraining(stage, options, progress_).value();
  }
  EXPECT_EQ(end, RunEnd::kFinished);
  EXPECT_EQ(Checkpoint("pieces"), Checkpoint("whole"));
  EXPECT_EQ(Losses("pieces"), Losses("whole"));
  EXPECT_TRUE(absl::StrContains(ReadFile(folder_ + "/pieces/loss.svg"), "</svg>"));
}

TEST_F(TrainingRunTest, LosesOnlyTheStepsSinceTheLastCheckpointWhenKilled) {
  PointStage whole;
  ASSERT_TRUE(RunTraining(whole, Options("whole"), progress_).ok());
  PointStage killed;  // checkpoints after steps 3 and 6; then steps 6 and 7 ran in vain
  killed.nan_at = 8;
  ASSERT_FALSE(RunTraining(killed, Options("killed"), progress_).ok());
  std::ofstream(folder_ + "/killed/loss.csv", std::ios::app) << "6,1,2,3\n7,0.";  // as a cut leaves it
  PointStage again;
  ASSERT_TRUE(RunTraining(again, Options("killed"), progress_).ok());
  EXPECT_EQ(Checkpoint("killed"), Checkpoint("whole"));
  EXPECT_EQ(Losses("killed"), Losses("whole"));
}

TEST_F(TrainingRunTest, EndsWithAnErrorAndTheLastGoodCheckpointWhenTheLossIsNotANumber) {
  PointStage stage;
  stage.nan_at = 5;
  const auto end = RunTraining(stage, Options("run"), progress_);
  ASSERT_FALSE(end.ok());
  EXPECT_TRUE(absl::StrContains(end.status().message(), "step 5")) << end.status();
  PointStage good;
  EXPECT_EQ(
      ReadCheckpoint(folder_ + "/run/checkpoint.safetensors", {"point", 0, good.settings()}, good.State()).value(), 3);
}

TEST_F(TrainingRunTest, RefusesACheckpointOfAnotherShapeStageOrSeed) {
  PointStage stage;
  ASSERT_TRUE(RunTraining(stage, Options("run"), progress_).ok());
  PointStage larger(9);
  const auto shape = RunTraining(larger, Options("run"), progress_);
  EXPECT_EQ(shape.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(shape.status().message(), "weight")) << shape.status();
  PointStage other_seed(8, 2);
  const auto seed = RunTraining(other_seed, Options("run"), progress_);
  EXPECT_EQ(seed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(seed.status().message(), "seed")) << seed.status();
  const std::string path = folder_ + "/run/checkpoint.safetensors";
  EXPECT_EQ(ReadCheckpoint(path, {"other stage", 0, {}}, stage.State()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const absl::Status lacking = ReadCheckpoint(path, {"point", 0, {}}, stage.State()).status();
  EXPECT_TRUE(absl::StrContains(lacking.message(), "was started with seed 1, not left out")) << lacking;
}

TEST_F(TrainingRunTest, KeepsTheLastCheckpointWhenTheDiskIsFull) {
  PointStage stage(4096);
  TrainingRunOptions options = Options("run");
  options.max_steps = 3;
  ASSERT_TRUE(RunTraining(stage, options, progress_).ok());
  const std::string before = Checkpoint("run");
  signal(SIGXFSZ, SIG_IGN);  // a write past the limit fails, as on a full disk
  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const rlimit small = {16384, unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  PointStage again(4096);
  const auto end = RunTraining(again, Options("run"), progress_);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  ASSERT_FALSE(end.ok());
  EXPECT_TRUE(absl::StrContains(end.status().message(), "checkpoint.safetensors")) << end.status();
  EXPECT_EQ(Checkpoint("run"), before);
}

// Ranks as threads, each with a stage of its own; only rank 0 knows a limit.
TEST_F(TrainingRunTest, RankZeroAloneWritesAndSaysWhenToStop) {
  std::vector<std::thread> ranks;
  std::vector<RunEnd> ends(3, RunEnd::kFinished);
  std::vector<std::string> shown(3);
  std::vector<int> finished(3);
  const std::vector<RankPlace> places = ConnectRanks(3).value();
  for (const RankPlace& place : places) {
    ranks.emplace_back([&, place] {
      HostExchange exchange(place);
      PointStage stage;
      TrainingRunOptions options = Options("run");
      options.exchange = &exchange;
      if (place.rank == 0) options.max_steps = 7;
      std::ostringstream progress;
      const auto rank = static_cast<size_t>(place.rank);
      const auto paused = RunTraining(stage, options, progress);
      ASSERT_TRUE(paused.ok()) << paused.status();
      ends[rank] = *paused;
      shown[rank] = progress.str();
      options.max_steps = 0;
      // As between two commands: rank 0 has written its checkpoint before anybody goes on.
      ASSERT_TRUE(exchange.AllGather(0).ok());
      PointStage again;
      const auto end = RunTraining(again, options, progress);
      ASSERT_TRUE(end.ok()) << end.status();
      EXPECT_EQ(*end, RunEnd::kFinished);
      finished[rank] = again.finished;
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(ends, std::vector<RunEnd>(3, RunEnd::kPaused));
  EXPECT_NE(shown[0], "");
  EXPECT_EQ(shown[1] + shown[2], "");
  EXPECT_EQ(finished, (std::vector<int>{1, 0, 0}));
  PointStage alone;  // every rank trains alike here
  ASSERT_TRUE(RunTraining(alone, Options("alone"), progress_).ok());
  EXPECT_EQ(Losses("run"), Losses("alone"));
}

TEST_F(TrainingRunTest, RefusesRanksThatWouldGoOnAtDifferentSteps) {
  std::vector<std::thread> ranks;
  const std::vector<RankPlace> places = ConnectRanks(2).value();
  for (const RankPlace& place : places) {
    ranks.emplace_back([&, place] {
      HostExchange exchange(place);
      TrainingRunOptions options = Options(absl::StrCat("run", place.rank));  // as on two disks
      if (place.rank == 0) {
        options.max_steps = 4;
        PointStage alone;
        std::ostringstream progress;
        ASSERT_TRUE(RunTraining(alone, options, progress).ok());
      }
      options.exchange = &exchange;
      PointStage stage;
      std::ostringstream progress;
      const auto end = RunTraining(stage, options, progress);
      EXPECT_TRUE(absl::StrContains(end.status().message(), "rank 0 goes on at step 4, rank 1 at 0")) << end.status();
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

// An option that is only written down when it is used must not be lost on the way.
TEST_F(TrainingRunTest, RefusesACheckpointWithASettingThatIsNotAskedFor) {
  PointStage stage;
  const std::string path = folder_ + "/checkpoint.safetensors";
  std::filesystem::create_directories(folder_);
  CheckpointHeader header = {"point", 3, stage.settings()};
  header.settings["unknown words"] = "0.15";
  ASSERT_TRUE(WriteCheckpoint(path, header, stage.State()).ok());
  const auto step = ReadCheckpoint(path, {"point", 0, stage.settings()}, stage.State());
  EXPECT_EQ(step.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(step.status().message(), "unknown words 0.15")) << step.status();
}

TEST_F(TrainingRunTest, SaysWhenTheRunFolderCannotBeMade) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/file") << "no folder";
  PointStage stage;
  const auto end = RunTraining(stage, Options("file/run"), progress_);
  EXPECT_EQ(end.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(end.status().message(), "file/run")) << end.status();
}

TEST(ProgressLineTest, TellsStepLossRateAndTimeLeft) {
  const PointStage stage;
  EXPECT_EQ(ProgressLine(stage, 10, 0.5, 0.1), "point: step 10 of 20, loss 0.5000, 0.10 steps/s, 1 min 40 s left");
}

}  // namespace
}  // namespace videodiffcr::training
