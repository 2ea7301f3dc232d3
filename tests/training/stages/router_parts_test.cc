// What the routers' stage is made of: targets, energies, tables, clips, history.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>

#include "tests/training/tiny_model.h"
#include "training/stages/held_out_history.h"
#include "training/stages/new_retention.h"
#include "training/stages/prompt_clips.h"
#include "training/stages/router_target.h"
#include "training/stages/sensitivity_stage.h"
#include "training/stages/update_energy.h"
#include "training/students/dense_observation.h"

namespace videodiffcr::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(RouterTargetTest, TheTargetHasMeanZeroAndVarianceOneAndRisesWithTheUpdate) {
  const at::Tensor update = at::randn({2, 30, 4}) * at::arange(1, 31).view({1, 30, 1});
  const at::Tensor target = StandardizedLogNorm(update);
  EXPECT_LT(target.mean(1).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(target.square().mean().item<double>(), 1, 1e-4);
  EXPECT_TRUE(target.argsort(1, false).equal(update.norm(2, {-1}).argsort(1, false)));
}

TEST(RouterTargetTest, ScoresThatAreTheTargetAreJudgedPerfectAndOpposedOnesWorst) {
  const at::Tensor target = StandardizedLogNorm(at::randn({2, 40, 4}));
  const RouterQuality perfect = JudgeScores(target, target, 10);
  EXPECT_NEAR(perfect.variance_explained, 1, 1e-6);
  EXPECT_DOUBLE_EQ(perfect.overlap, 1);
  const RouterQuality opposed = JudgeScores(-target, target, 20);
  EXPECT_DOUBLE_EQ(opposed.overlap, 0);
  EXPECT_NEAR(JudgeScores(at::zeros({2, 40}), target, 10).variance_explained, 0, 1e-4);
}

// Ten tokens whose updates have the squared norms 0, 1, ... 9 in some order, in a stream of known norm.
TEST(UpdateEnergyTest, IsWhatTheTokensThatChangeLeastLeaveUndone) {
  const at::Tensor before = at::zeros({1, 10, 2});
  at::Tensor after = at::zeros({1, 10, 2});
  for (int64_t token = 0; token < 10; ++token) after[0][(7 * token) % 10][1] = std::sqrt(static_cast<double>(token));
  const at::Tensor dropped = DroppedEnergy(at::stack({before, after}));
  ASSERT_EQ(dropped.sizes(), at::IntArrayRef({1, 10}));
  for (int tenths = 1; tenths <= 10; ++tenths) {
    const int left = 10 - tenths;
    EXPECT_NEAR(dropped[0][tenths - 1].item<double>(), left * (left - 1) / 2 / 45.0, 1e-6) << tenths;
  }
}

TEST(UpdateEnergyTest, IsAShareOfTheStreamAndNothingOfABlockThatDoesNothing) {
  const at::Tensor before = at::randn({1, 20, 4}), update = at::randn({1, 20, 4});
  const at::Tensor energy = DroppedEnergy(at::stack({before, before + update}));
  EXPECT_TRUE(energy.allclose(DroppedEnergy(at::stack({5 * before, 5 * (before + update)})), 1e-4));
  EXPECT_EQ(DroppedEnergy(at::stack({before, before})).abs().max().item<double>(), 0);
}

TEST(UpdateEnergyTest, IsTheMeanOverClips) {
  const at::Tensor stream = at::randn({3, 2, 20, 4});
  const at::Tensor first = DroppedEnergy(stream.narrow(1, 0, 1)), second = DroppedEnergy(stream.narrow(1, 1, 1));
  EXPECT_TRUE(DroppedEnergy(stream).allclose((first + second) / 2));
}

// Of two blocks the one whose update is spread evenly keeps more.
TEST(TablesTest, BlocksKeepMoreWhereLeavingTokensOutCostsMore) {
  at::Tensor energies = at::zeros({2, 4, 10});
  for (int64_t step = 0; step < 4; ++step) {
    for (int64_t tenth = 0; tenth < 10; ++tenth) {
      const double left_out = 0.1 * static_cast<double>(9 - tenth);
      energies[0][step][tenth] = left_out * left_out;
      energies[1][step][tenth] = 0.2 * left_out * left_out;
    }
  }
  RetentionConfig retention;
  retention.step_delta_tenths = {-3, -1, 1, 3};
  const std::vector<std::vector<double>> losses = LossesOf(energies, {retention.step_delta_tenths, 1});
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0].size(), 10u);
  EXPECT_TRUE(std::is_sorted(losses[0].rbegin(), losses[0].rend()));
  const auto tables = TablesOfLosses(losses, {0.5, 0.9, 0.7}, RatioAccounting::kNominal, retention);
  ASSERT_EQ(tables.size(), 3u);
  EXPECT_THAT((std::vector<int>{tables[0].nominal, tables[1].nominal, tables[2].nominal}), ElementsAre(9, 7, 5));
  for (const RetentionTable& table : tables) {
    EXPECT_GE(table.tenths[0].back(), table.tenths[1].back());
    EXPECT_EQ(table.tenths[0].back() + table.tenths[1].back(), 2 * table.nominal);
  }
  EXPECT_THAT(tables[1].tenths[0].back(), 8) << "a tenth more than the target, not all that the losses would have";
  EXPECT_THAT(tables[1].tenths[1].back(), 6);
  for (const RetentionTable& table : TablesOfLosses(losses, {0.6}, RatioAccounting::kExecuted, retention)) {
    EXPECT_NEAR(ExecutedRetention(table, 100), 0.6, 0.03);
  }
}

TEST(NewRetentionTest, ADenseModelGetsRoutersByTheReferencesRule) {
  ModelConfig config;
  config.transformer.dim = 1536;
  const RetentionConfig retention = NewRetention(config);
  EXPECT_EQ(retention.file, "routers.safetensors");
  EXPECT_EQ(retention.router_dim, 64);
  EXPECT_EQ(retention.gate, RouterGate::kNone);
  EXPECT_THAT(retention.step_delta_tenths, ElementsAre(-3, -1, 1, 3));
  config.transformer.dim = 96;
  config.sampling.denoise_steps = {1000};
  EXPECT_EQ(NewRetention(config).router_dim, 8);
  EXPECT_THAT(NewRetention(config).step_delta_tenths, ElementsAre(0));
}

TEST(NewRetentionTest, AModelWithRoutersKeepsItsSettingsButForGateAndTables) {
  ModelConfig config;
  config.retention.file = "own.safetensors";
  config.retention.router_dim = 12;
  config.retention.bypass_rank = 4;
  config.retention.kv_mode = KvMode::kFull;
  config.retention.step_delta_tenths = {0, 0, 0, 1};
  config.retention.tables = {MakeRetentionTable(5, {5}, {0, 0, 0, 1})};
  const RetentionConfig retention = NewRetention(config);
  EXPECT_EQ(retention.file, "own.safetensors");
  EXPECT_EQ(retention.router_dim, 12);
  EXPECT_EQ(retention.bypass_rank, 0) << "it belongs to the routers that it was trained with";
  EXPECT_EQ(retention.kv_mode, KvMode::kFull);
  EXPECT_EQ(retention.gate, RouterGate::kNone);
  EXPECT_TRUE(retention.tables.empty());
}

TEST(NewRetentionTest, TablesOfAFileAreReadAsConfigHasThemAndErrorsNameIt) {
  ModelConfig config = LoadModelConfig(TinyModel()).value();
  config.retention = NewRetention(config);
  const std::string path = testing::TempDir() + "/router_parts_tables.json";
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return ReadTableFile(path, config);
  };
  const auto tables = read(R"({"5": [5, 5, 5, 5, 5, 5], "8": [9, 7, 9, 7, 9, [7, 7, 8, 9, 7]]})");
  ASSERT_TRUE(tables.ok()) << tables.status();
  ASSERT_EQ(tables->size(), 2u);
  EXPECT_EQ((*tables)[0].nominal, 8);
  EXPECT_THAT((*tables)[0].tenths[5], ElementsAre(7, 7, 8, 9, 7));
  EXPECT_THAT((*tables)[1].tenths[0], ElementsAre(1, 3, 7, 9, 5));
  for (const char* wrong :
       {"{}", "[]", "", "{\"5\": [5, 5]}", "{\"10\": [5, 5, 5, 5, 5, 5]}", "{\"5\": [5, 5, 5, 5, 5, 11]}"}) {
    EXPECT_THAT(std::string(read(wrong).status().message()), HasSubstr(path)) << wrong;
  }
  EXPECT_THAT(std::string(ReadTableFile("/no/such.json", config).status().message()), HasSubstr("/no/such.json"));
}

TEST(PromptClipsTest, HoldsPromptsOutEvenlyAndNeverTrainsOnThem) {
  std::vector<std::string> prompts;
  for (int i = 0; i < 10; ++i) prompts.push_back(std::to_string(i));
  const PromptClips clips({.seed = 3, .batch = 4, .held_out = 2}, prompts);
  ASSERT_EQ(clips.HeldOut().size(), 2u);
  EXPECT_EQ(clips.HeldOut()[0].prompt, "0");
  EXPECT_EQ(clips.HeldOut()[1].prompt, "5");
  EXPECT_EQ(clips.HeldOut()[1].seed, clips.HeldOut()[1].seed);
  std::set<std::string> seen;
  std::set<uint64_t> seeds;
  for (int64_t step = 0; step < 40; ++step) {
    for (const PromptClip& clip : clips.OfStep(step)) seen.insert(clip.prompt), seeds.insert(clip.seed);
  }
  EXPECT_THAT(seen, ElementsAre("1", "2", "3", "4", "6", "7", "8", "9"));
  EXPECT_EQ(seeds.size(), 160u);
  EXPECT_EQ(clips.PromptsOf(40).size(), 10u);
}

TEST(PromptClipsTest, OfFewPromptsAtMostHalfAreHeldOutAndASinglePromptIsBoth) {
  EXPECT_EQ(PromptClips({.held_out = 4}, {"a", "b", "c"}).HeldOut().size(), 1u);
  const PromptClips one({.held_out = 4}, {"a"});
  EXPECT_EQ(one.OfStep(0)[0].prompt, "a");
  EXPECT_EQ(one.HeldOut()[0].prompt, "a");
  EXPECT_NE(one.OfStep(0)[0].seed, one.HeldOut()[0].seed);
}

TEST(HeldOutHistoryTest, GivesWhatIsKnownWithItsSteps) {
  HeldOutHistory history(/*steps=*/25, /*every=*/10, /*blocks=*/2, at::kCPU);
  EXPECT_EQ(history.last(), 3);
  EXPECT_TRUE(history.Measures().empty());
  history.Set(0, {{-0.5, 0.5}, {0, 0.25}});
  history.Set(history.last(), {{1, 1}, {0.5, 0.75}});
  const std::vector<HeldOutMeasure> measures = history.Measures();
  ASSERT_EQ(measures.size(), 2u);
  EXPECT_EQ(measures[0].step, 0);
  EXPECT_EQ(measures[1].step, 25);
  EXPECT_THAT(measures[0].variance_explained, ElementsAre(-0.5, 0));
  EXPECT_DOUBLE_EQ(MeanOverlap(measures[1]), 0.875);
  EXPECT_EQ(HeldOutCsv(measures),
            "step,block,variance_explained,overlap\n0,0,-0.5000,0.5000\n0,1,0.0000,0.2500\n25,0,1.0000,1.0000\n"
            "25,1,0.5000,0.7500\n");
}

}  // namespace
}  // namespace videodiffcr::training
