// Several processes, here threads that share nothing but their sockets, train what one process trains.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/system/temporary_folder.h"
#include "tests/training/shallow_model.h"
#include "tests/training/tiny_model.h"
#include "training/parallel/host_exchange.h"
#include "training/run/loss_log.h"
#include "training/stages/autoencoder_stage.h"
#include "training/stages/classifier_stage.h"
#include "training/stages/denoiser_stage.h"
#include "training/stages/distillation_stage.h"
#include "training/stages/prompt_router_stage.h"
#include "training/stages/router_stage.h"
#include "training/stages/wording_stage.h"

namespace videodiffcr::training {
namespace {

using MakeStage = std::function<absl::StatusOr<std::unique_ptr<TrainingStage>>(const StageOptions&)>;

// Two blocks of tiny: what processes share out and add up is the same in any number of them.
const std::string& SmallModel() {
  static const TemporaryFolder folder;
  static const std::string model = [] {
    const absl::Status written = WriteShallowModel(TinyModel(), 2, folder.Path("model"));
    EXPECT_TRUE(written.ok()) << written;
    return folder.Path("model");
  }();
  return model;
}

StageOptions SmallStage(int64_t steps, int64_t batch) {
  StageOptions stage;
  stage.model = SmallModel();
  stage.steps = steps;
  stage.batch = batch;
  stage.learning_rate = 1e-3;
  return stage;
}

// Of the run's first steps, as many as `steps`.
std::vector<double> LossesOf(const MakeStage& make, const StageOptions& options, int64_t steps) {
  at::set_num_threads(1);  // of this thread
  std::vector<double> losses;
  const auto stage = make(options);
  EXPECT_TRUE(stage.ok()) << stage.status();
  for (int64_t step = 0; stage.ok() && step < steps; ++step) {
    const auto result = (*stage)->Step(step);
    EXPECT_TRUE(result.ok()) << result.status();
    losses.push_back(result.ok() ? result->loss : std::nan(""));
  }
  return losses;
}

std::vector<double> LossesOfOneProcess(const MakeStage& make, StageOptions options, int64_t accumulate, int64_t steps) {
  options.accumulate = accumulate;
  return LossesOf(make, options, steps);
}

// Those that every one of `world` processes reports: they must be the same.
std::vector<double> LossesOfProcesses(const MakeStage& make, const StageOptions& options, int64_t world) {
  std::vector<std::vector<double>> losses(static_cast<size_t>(world));
  std::vector<std::thread> processes;
  const std::vector<RankPlace> places = ConnectRanks(world).value();
  for (const RankPlace& place : places) {
    processes.emplace_back([&make, &options, &losses, place] {
      HostExchange exchange(place);
      StageOptions mine = options;
      mine.exchange = &exchange;
      losses[static_cast<size_t>(place.rank)] = LossesOf(make, mine, mine.steps);
    });
  }
  for (std::thread& process : processes) process.join();
  for (const std::vector<double>& of_rank : losses) EXPECT_EQ(of_rank, losses[0]);
  return losses[0];
}

void ExpectNear(const std::vector<double>& losses, const std::vector<double>& expected) {
  ASSERT_EQ(losses.size(), expected.size());
  for (size_t step = 0; step < losses.size(); ++step) EXPECT_NEAR(losses[step], expected[step], 1e-4) << step;
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeSmallDenoiser(const StageOptions& stage) {
  return MakeDenoiserStage({.stage = stage, .warmup_steps = 0, .pool = 3, .continue_weights = true});
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeSmallDistillation(const StageOptions& stage) {
  DistillationStageOptions options{.stage = stage};
  options.distillation.critic_only_steps = 1;
  options.distillation.warmup_steps = 0;
  options.routed_share = 0.5;
  return MakeDistillationStage(options);
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeSmallPromptRouters(const StageOptions& stage) {
  PromptRouterOptions options;
  options.stage = stage;
  options.run_folder = testing::TempDir() + "/parallel_stages_prompts";
  options.min_chunks = options.max_chunks = 1;
  options.prompts.file = TinyModel() + "/README.md";  // any text
  options.prompts.most = 6;
  options.prompts.held_out = 1;
  options.prompts.measure_every = 100;
  return MakePromptRouterStage(options);
}

TEST(ParallelStagesTest, TwoProcessesLoseWhatOneThatAccumulatesLosesOverTwentySteps) {
  const StageOptions options = SmallStage(20, 2);
  ExpectNear(LossesOfProcesses(MakeSmallDenoiser, options, 2),
             LossesOfOneProcess(MakeSmallDenoiser, options, 2, options.steps));
}

TEST(ParallelStagesTest, EveryStageIsTrainedAlikeByTwoProcessesAndByOneThatAccumulates) {
  const std::vector<std::pair<const char*, MakeStage>> stages = {
      {"autoencoder",
       [](const StageOptions& stage) {
         return MakeAutoencoderStage({.stage = stage, .frames = 5, .frozen_share = 0.5});
       }},
      {"classifier", [](const StageOptions& stage) { return MakeClassifierStage({.stage = stage}); }},
      {"distill", MakeSmallDistillation},
      {"routers",
       [](const StageOptions& stage) { return MakeRouterStage({.stage = stage, .min_chunks = 1, .max_chunks = 2}); }},
      {"routers of prompts", MakeSmallPromptRouters},
      {"wording", [](const StageOptions& stage) { return MakeWordingStage({.stage = stage}); }}};
  for (const auto& [name, make] : stages) {
    SCOPED_TRACE(name);
    const StageOptions options = SmallStage(3, 4);
    ExpectNear(LossesOfProcesses(make, options, 2), LossesOfOneProcess(make, options, 2, options.steps));
  }
}

// Steps up to `end` of a run of `world` processes in `folder`.
void TrainRun(const MakeStage& make, const StageOptions& options, const std::string& folder, int64_t world,
              int64_t steps) {
  std::vector<std::thread> processes;
  const std::vector<RankPlace> places = ConnectRanks(world).value();
  for (const RankPlace& place : places) {
    processes.emplace_back([&, place] {
      at::set_num_threads(1);
      HostExchange exchange(place);
      StageOptions mine = options;
      mine.accumulate = 2 / world;
      mine.exchange = &exchange;
      const auto stage = make(mine);
      ASSERT_TRUE(stage.ok()) << stage.status();
      TrainingRunOptions run;
      run.run_folder = folder;
      run.max_steps = steps;
      run.exchange = &exchange;
      std::ostringstream progress;
      const auto end = RunTraining(**stage, run, progress);
      ASSERT_TRUE(end.ok()) << end.status();
    });
  }
  for (std::thread& process : processes) process.join();
}

TEST(ParallelStagesTest, ARunGoesFromTwoProcessesToOneAndBackThroughItsCheckpoints) {
  for (const MakeStage& make : {MakeStage(MakeSmallDenoiser), MakeStage(MakeSmallDistillation)}) {
    StageOptions options = SmallStage(5, 2);  // never finished: nothing is written but checkpoints
    options.learning_rate = 2e-4;  // at more, a few steps make of a last bit of the weights more than the tolerance
    const std::string folder = testing::TempDir() + "/parallel_stages_run";
    std::filesystem::remove_all(folder);
    // A loss shows what the step before did, with the optimiser's state that it was given.
    for (const auto& [world, steps] : {std::pair(2, 1), std::pair(1, 1), std::pair(2, 2)}) {
      TrainRun(make, options, folder, world, steps);
    }
    const auto log = LossLog::Open(folder + "/loss.csv", 4);
    ASSERT_TRUE(log.ok()) << log.status();
    std::vector<double> losses;
    for (const LossEntry& entry : log->entries()) losses.push_back(entry.loss);
    ExpectNear(losses, LossesOfOneProcess(make, options, 2, 4));
  }
}

// Every draw is one of the whole batch, so a run may go on with more processes or fewer.
TEST(ParallelStagesTest, HowABatchIsCutDoesNotChangeWhatItTeaches) {
  const StageOptions options = SmallStage(2, 4);
  for (const MakeStage& make : {MakeStage(MakeSmallDenoiser), MakeStage(MakeSmallDistillation)}) {
    ExpectNear(LossesOfOneProcess(make, options, 4, 2), LossesOfOneProcess(make, options, 1, 2));
  }
}

}  // namespace
}  // namespace videodiffcr::training
