// Passes of the shipped tiny model whose blocks' activations backward() computes again, against those that keep them.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/kept_bytes.h"
#include "tests/training/tiny_model.h"
#include "training/model/block_feed.h"
#include "training/model/recomputed_block.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/run/recompute.h"
#include "training/stages/teacher_forcing.h"
#include "training/students/baselines.h"
#include "training/students/routed_student.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

// What a pass gave, what its graph kept, and the gradients of a loss that is linear in the flow.
struct TrainedPass {
  at::Tensor flow;
  int64_t kept = 0;
  std::vector<at::Tensor> gradients;
};

class RecomputeTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = std::make_unique<TrainingModel>(LoadTrainingModel(TinyModel(), at::kCPU).value());
    ASSERT_TRUE(LoadRouters(TinyModel(), model_.get()).ok());
    hidden_ = EncodeCaptions(*model_, {"a large red circle moves right fast", "a star"}).value();
    StepRandom random(4, 0, at::kCPU);
    latents_ = random.Normal({2, 3, 16, 12, 20});
    probe_ = random.Normal({2, 12, 16, 12, 20});
  }

  TrainedPass Run(const std::vector<WeightRow>& rows, const std::function<at::Tensor()>& forward) const {
    for (const WeightRow& row : rows) {
      row.destination->mutable_grad() = at::Tensor();
      row.destination->set_requires_grad(true);
    }
    TrainedPass pass;
    pass.kept = KeptBytes([&] { pass.flow = forward(); });
    (pass.flow * probe_.narrow(1, 0, pass.flow.size(1))).sum().backward();
    for (const WeightRow& row : rows) pass.gradients.push_back(row.destination->grad());
    return pass;
  }

  // The flow of a trained pass of the second chunk.
  TrainedPass RunStudent(Student& student, const RolloutPurpose& purpose, bool recompute) const {
    model_->recompute_blocks = recompute;
    const auto network = student.Open(purpose);
    RolloutState state(model_->config.transformer);
    {
      const c10::NoGradGuard no_gradients;
      state.text = network->MakeText(hidden_);
      state.cache.Append(network->ContextKeys(latents_, state));
    }
    std::vector<WeightRow> rows;
    for (const ParameterGroup& group : student.Parameters()) {
      rows.insert(rows.end(), group.rows.begin(), group.rows.end());
    }
    return Run(rows, [&] {
      const auto trained = student.Open(purpose);
      state.text = trained->MakeText(hidden_);
      return trained->Flow(latents_, 1, state, PassKind::kTrained);
    });
  }

  // `tolerance`: of gradients, in parts of the largest of a weight.
  static void ExpectSameFromLess(const TrainedPass& again, const TrainedPass& whole, double tolerance) {
    EXPECT_TRUE(again.flow.equal(whole.flow));
    EXPECT_LT(again.kept, whole.kept / 3);
    int with_gradient = 0;
    for (size_t i = 0; i < whole.gradients.size(); ++i) {
      ASSERT_EQ(again.gradients[i].defined(), whole.gradients[i].defined()) << i;
      if (!whole.gradients[i].defined()) continue;
      ++with_gradient;
      const double most = whole.gradients[i].abs().max().item<double>();
      EXPECT_LE((again.gradients[i] - whole.gradients[i]).abs().max().item<double>(), tolerance * most) << i;
    }
    EXPECT_GT(with_gradient, 100);
  }
  void ExpectSame(Student& student, const RolloutPurpose& purpose, double tolerance = 0) const {
    ExpectSameFromLess(RunStudent(student, purpose, true), RunStudent(student, purpose, false), tolerance);
  }

  static RolloutPurpose Training(RetentionTenths budget) {
    return {budget, at::kFloat, UpdateMoment{500, 1000, 1e-4}, {}};
  }

  std::unique_ptr<TrainingModel> model_;
  at::Tensor hidden_, latents_, probe_;
};

TEST_F(RecomputeTest, DensePassesHaveTheSameGradientsBitForBit) {
  RoutedStudent student(*model_, 0);
  ExpectSame(student, Training(kDenseTenths));
}

TEST_F(RecomputeTest, RoutedPassesHaveTheSameGradientsBitForBit) {
  RoutedStudent student(*model_, 0);
  ExpectSame(student, Training(7));
}

// A weight that both bins use has their two gradients added first, and then those of the rest: another order of sums,
// whose last bits depend on the processor.
TEST_F(RecomputeTest, PassesBetweenTwoBinsHaveTheSameGradientsAlsoOfTheRatios) {
  const auto student =
      VideodiffcrStudent::Make({.targets = {0.7}, .initial_ratios = {0.77, 0.62}}, TinyModel(), 1, *model_).value();
  ExpectSame(*student, Training(7), 1e-5);
}

// Scores that are drawn are drawn once: else other tokens ran in backward().
TEST_F(RecomputeTest, PassesWithDrawnScoresKeepTheSameTokens) {
  const auto student = MakeBaseline({.method = "random", .target = 0.5}, TinyModel(), 1, *model_).value();
  RolloutPurpose purpose = Training(5);
  purpose.random.emplace(9, 0, at::kCPU);
  ExpectSame(*student, purpose);
}

TEST_F(RecomputeTest, PassesWithAScorerThatLearnsGiveItItsGradients) {
  const auto student = MakeBaseline({.method = "mod", .target = 0.5}, TinyModel(), 1, *model_).value();
  ExpectSame(*student, Training(5));
}

TEST_F(RecomputeTest, PassesBetweenTwoBinsWithAScorerThatLearnsGiveBothTheirGradients) {
  const auto student = MakeBaseline({.method = "diffcr-literal", .target = 0.5}, TinyModel(), 1, *model_).value();
  student->Parameters()[2].rows[0].destination->fill_(0.63);
  ExpectSame(*student, Training(5), 1e-5);
}

// What routers see of the chunk before is that of the pass, also when backward() comes after the next chunk.
TEST_F(RecomputeTest, PassesWithAdditionsSeeTheChunkBeforeThatTheySawAtFirst) {
  const auto student = VideodiffcrStudent::Make(
                           {.targets = {0.5}, .initial_ratios = {0.57, 0.42}, .light_bypass = 8, .cache_aware = true},
                           TinyModel(), 1, *model_)
                           .value();
  std::vector<WeightRow> rows;
  for (const ParameterGroup& group : student->Parameters()) {
    rows.insert(rows.end(), group.rows.begin(), group.rows.end());
  }
  for (const WeightRow& row : rows) {
    if (row.name.ends_with("bypass.up.weight") || row.name == "router.past_mix") row.destination->fill_(0.1);
  }
  std::unique_ptr<StudentNetwork> network;
  const auto run = [&](bool recompute) {
    model_->recompute_blocks = recompute;
    return Run(rows, [&] {
      network = student->Open(Training(5));
      RolloutState state(model_->config.transformer);
      state.text = network->MakeText(hidden_);
      const auto finish = [&](const at::Tensor& latents) {
        const c10::NoGradGuard no_gradients;
        state.cache.Append(network->ContextKeys(latents, state));
      };
      finish(latents_);
      const at::Tensor flow = network->Flow(latents_, 1, state, PassKind::kTrained);
      finish(latents_.flip(4));
      return flow;
    });
  };
  ExpectSameFromLess(run(true), run(false), 1e-5);
}

TEST_F(RecomputeTest, TeacherForcingHasTheSameGradientsBitForBit) {
  StepRandom random(5, 0, at::kCPU);
  TeacherForcingInput input;
  input.clean = random.Normal({2, 12, 16, 12, 20});
  input.noisy = random.Normal({2, 12, 16, 12, 20});
  input.timesteps = at::tensor(std::vector<float>{900, 100, 500, 700, 20, 300, 600, 999}).view({2, 4});
  const std::vector<WeightRow> rows = TransformerWeightTable(model_->config.transformer, &model_->transformer.weights);
  const auto run = [&](bool recompute) {
    return Run(rows, [&] {
      input.text = hidden_.repeat({4, 1, 1});
      return TeacherForcingFlow(model_->transformer, *FeedBlocks(model_->transformer), input, recompute);
    });
  };
  ExpectSameFromLess(run(true), run(false), 0);
}

TEST_F(RecomputeTest, TheEstimateOfWhatAWindowKeepsIsOfTheRightSize) {
  StepRandom random(5, 0, at::kCPU);
  TeacherForcingInput input;
  input.clean = input.noisy = random.Normal({1, 12, 16, 12, 20});
  input.timesteps = at::tensor(std::vector<float>{900, 100, 500, 700}).view({1, 4});
  const std::vector<WeightRow> rows = TransformerWeightTable(model_->config.transformer, &model_->transformer.weights);
  for (const WeightRow& row : rows) row.destination->set_requires_grad(true);
  at::Tensor flow;
  const auto kept = static_cast<double>(KeptBytes([&] {
    input.text = hidden_.narrow(0, 0, 1).repeat({4, 1, 1});
    flow = TeacherForcingFlow(model_->transformer, *FeedBlocks(model_->transformer), input, false);
  }));
  const auto estimate = static_cast<double>(ActivationBytes(model_->config.transformer, 4, at::kFloat));
  EXPECT_GT(estimate, 0.7 * kept) << kept;
  EXPECT_LT(estimate, 1.4 * kept) << kept;
}

TEST_F(RecomputeTest, TheModelsSizeDecidesUnlessAFlagDoes) {
  StageOptions stage;
  ChooseRecompute(stage, 4, model_.get());
  EXPECT_FALSE(model_->recompute_blocks);
  stage.recompute_blocks = true;
  ChooseRecompute(stage, 4, model_.get());
  EXPECT_TRUE(model_->recompute_blocks);
  stage.recompute_blocks.reset();
  TransformerConfig& config = model_->config.transformer;  // the shape of Wan2.1-T2V-1.3B
  config.dim = 1536;
  config.ffn_dim = 8960;
  config.num_layers = 30;
  config.latent_height = 60;
  config.latent_width = 104;
  model_->recompute_blocks = false;
  ChooseRecompute(stage, 4, model_.get());
  EXPECT_TRUE(model_->recompute_blocks);
  stage.recompute_blocks = false;
  ChooseRecompute(stage, 4, model_.get());
  EXPECT_FALSE(model_->recompute_blocks);
}

// What enters may be made of what is used: each is given its own part of the gradient, once.
TEST(RecomputedTest, WhatEntersMayBeMadeOfWhatIsUsed) {
  const at::Tensor weight = at::tensor(std::vector<float>{1, 2, 3}).set_requires_grad(true);
  const auto function = [weight](const std::vector<at::Tensor>& entering) { return entering[0] * weight; };
  Recomputed(function, {weight * 2}, {weight}).sum().backward();
  EXPECT_TRUE(weight.grad().equal(4 * weight));
}

TEST(RecomputedTest, ASecondBackwardThroughItIsAnError) {
  const at::Tensor x = at::tensor(std::vector<float>{1, 2, 3}).set_requires_grad(true);
  const at::Tensor out = Recomputed([](const auto& entering) { return entering[0].square(); }, {x}, {}).sum();
  out.backward({}, /*retain_graph=*/true);
  EXPECT_TRUE(x.grad().equal(2 * x));
  EXPECT_ANY_THROW(out.backward());
}

}  // namespace
}  // namespace videodiffcr::training
