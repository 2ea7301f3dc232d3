#include "training/stages/score_matching.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/training/tiny_model.h"
#include "training/model/network_copy.h"
#include "training/run/adam_w.h"

namespace videodiffcr::training {
namespace {

// A world where the real clips are all one point, and the fake score knows the student's clips exactly: the estimates
// of x0 are that point and the clips themselves.
class MatchingTargetTest : public testing::Test {
 protected:
  static constexpr double kPoint = 2.0;
  // The distance to the point after some updates of the clips; `sign` -1: with the scores taken for each other.
  static double DistanceAfterTraining(double sign) {
    at::Tensor clips = at::zeros({2, 6, 1, 2, 2});
    AdamW optimizer({{"clips", {2, 6, 1, 2, 2}, &clips}}, {0.0, 0.99, 1e-8, 0});
    for (int64_t update = 0; update < 60; ++update) {
      const at::Tensor real = at::full(clips.sizes(), kPoint), fake = clips.detach();
      const at::Tensor target = sign > 0 ? MatchingTarget(clips.detach(), real, fake, 3)
                                         : MatchingTarget(clips.detach(), fake + 1e-3, real, 3);
      (0.5 * MaskedMeanSquare(clips - target, at::ones({2, 2}), 3)).backward();
      EXPECT_TRUE(optimizer.Update(0.05, update).ok());
    }
    return (clips.detach() - kPoint).abs().max().item<double>();
  }
};

TEST_F(MatchingTargetTest, AStudentMovesToWhatTheTeacherKnows) { EXPECT_LT(DistanceAfterTraining(1), 0.2); }

TEST_F(MatchingTargetTest, WithScoresTakenForEachOtherItMovesAway) { EXPECT_GT(DistanceAfterTraining(-1), kPoint); }

TEST_F(MatchingTargetTest, TheStepIsInUnitsOfTheChunksOwnDistance) {
  at::Tensor real = at::zeros({1, 6, 1, 2, 2});
  real.narrow(1, 3, 3).fill_(100);
  const at::Tensor clips = at::full({1, 6, 1, 2, 2}, 1.0);
  const at::Tensor step = MatchingTarget(clips, real, clips, 3) - clips;
  EXPECT_NEAR(step.narrow(1, 0, 3).max().item<double>(), -1, 1e-3);
  EXPECT_NEAR(step.narrow(1, 3, 3).min().item<double>(), 1, 1e-3);
}

// A network whose flow is the same number everywhere: the head has no weights but its bias.
DiffusionTransformer ConstantFlow(const DiffusionTransformer& like, double flow) {
  const c10::NoGradGuard no_gradients;
  DiffusionTransformer network = CloneTransformer(like);
  network.weights.head.weight.zero_();
  network.weights.head.bias.fill_(flow);
  return network;
}

// The clips' gradient of a matching loss.
at::Tensor MatchingGradient(const ScoreMatching& scores, const at::Tensor& hidden) {
  StepRandom random(2, 0, at::kCPU);
  at::Tensor clips = random.Normal({1, 12, 16, 12, 20}).requires_grad_();
  scores.Loss({clips, hidden}, at::ones({1, 4}), random).backward();
  return clips.grad();
}

// x0 = x - sigma flow: where the teacher's flow is the larger one its clips have smaller numbers than the fake score's,
// and clips must become smaller, too. With the scores taken for each other they would grow.
TEST(ScoreMatchingTest, ClipsMoveFromWhatTheFakeScoreKnowsToWhatTheTeacherKnows) {
  at::set_num_threads(1);
  const TrainingModel model = LoadTrainingModel(TinyModel(), at::kCPU).value();
  const at::Tensor hidden = EncodeCaptions(model, {"a red star"}).value().repeat({4, 1, 1});
  for (const double real : {1.0, -1.0}) {
    const ScoreMatching scores(model, {ConstantFlow(model.transformer, real), ConstantFlow(model.transformer, 0)},
                               EncodeCaptions(model, {""}).value(), {});
    const at::Tensor gradient = MatchingGradient(scores, hidden);
    EXPECT_GT((gradient * real).min().item<double>(), 0) << "against the gradient is " << (real > 0 ? "down" : "up");
  }
}

// Guidance goes on from the unconditional flow past the conditional one, not back.
TEST(ScoreMatchingTest, GuidanceGoesFurtherTheWayThatThePromptLeads) {
  at::set_num_threads(1);
  const TrainingModel model = LoadTrainingModel(TinyModel(), at::kCPU).value();
  const at::Tensor hidden = EncodeCaptions(model, {"a red star"}).value().repeat({4, 1, 1});
  const at::Tensor negative = EncodeCaptions(model, {"a blue circle"}).value();
  const auto gradient_of = [&](const at::Tensor& text, double guidance) {
    ScoreMatchingOptions options;
    options.guidance = guidance;
    const ScoreMatching scores(model, {CloneTransformer(model.transformer), ConstantFlow(model.transformer, 0)},
                               negative, options);
    return MatchingGradient(scores, text);
  };
  const at::Tensor conditional = gradient_of(hidden, 0);
  const at::Tensor unconditional = gradient_of(negative.repeat({4, 1, 1}), 0);
  const at::Tensor guided = gradient_of(hidden, 0.5);
  EXPECT_GT(((guided - conditional) * (conditional - unconditional)).sum().item<double>(), 0);
}

// R must stay what it was when the student, or Q, is trained: were it one of them, there would be nothing to learn.
TEST(ScoreMatchingTest, TheTeacherIsNoAliasOfTheStudentNorOfTheFakeScore) {
  at::set_num_threads(1);
  TrainingModel model = LoadTrainingModel(TinyModel(), at::kCPU).value();
  ScoreMatching scores(model, ScoresLike(model, model.transformer), EncodeCaptions(model, {""}).value(),
                       {.critic_learning_rate = 0.01});
  const at::Tensor hidden = EncodeCaptions(model, {"a red star", "a red star", "a red star", "a red star"}).value();
  StepRandom random(1, 0, at::kCPU);
  const ScoredClips scored = {random.Normal({1, 12, 16, 12, 20}), hidden};
  const at::Tensor mask = at::ones({1, 4});
  const auto loss = [&] {
    const c10::NoGradGuard no_gradients;
    StepRandom same(2, 0, at::kCPU);
    return scores.Loss(scored, mask, same).item<double>();
  };
  const double before = loss();
  {
    const c10::NoGradGuard no_gradients;
    for (const WeightRow& row : TransformerWeightTable(model.config.transformer, &model.transformer.weights)) {
      row.destination->mul_(1.5);
    }
  }
  EXPECT_EQ(loss(), before) << "the student's weights are in the scores";
  scores.LearnFakeScore(scored, mask, 1, random);
  ASSERT_TRUE(scores.UpdateFakeScore(0).ok());
  EXPECT_NE(loss(), before) << "the fake score did not learn";
  // With Q put back to what it began as, everything is as before: R did not move with it.
  TrainingModel again = LoadTrainingModel(TinyModel(), at::kCPU).value();
  const std::vector<WeightRow> first = TransformerWeightTable(again.config.transformer, &again.transformer.weights);
  const std::vector<StateRow> now = scores.State();
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < first.size(); ++i) {
    ASSERT_EQ(now[i].name, "fake." + first[i].name);
    now[i].destination->copy_(*first[i].destination);
  }
  EXPECT_EQ(loss(), before);
}

// Of the two passes that guidance compares, the negative text is in the unconditional one and nowhere else.
TEST(ScoreMatchingTest, GuidanceLeadsAwayFromTheNegativeText) {
  at::set_num_threads(1);
  const c10::NoGradGuard no_gradients;
  const TrainingModel model = LoadTrainingModel(TinyModel(), at::kCPU).value();
  const std::string prompt = "a red star";
  const at::Tensor hidden = EncodeCaptions(model, {prompt}).value().repeat({4, 1, 1});
  StepRandom random(1, 0, at::kCPU);
  const ScoredClips scored = {random.Normal({1, 12, 16, 12, 20}), hidden};
  const auto loss = [&](const std::string& negative, double guidance) {
    const ScoreMatching scores(model, ScoresLike(model, model.transformer), EncodeCaptions(model, {negative}).value(),
                               {.guidance = guidance});
    StepRandom same(2, 0, at::kCPU);
    return scores.Loss(scored, at::ones({1, 4}), same).item<double>();
  };
  const double unguided = loss("", 0);
  EXPECT_EQ(loss("a blue circle", 0), unguided);
  EXPECT_NE(loss("a blue circle", 3), loss("", 3));
  EXPECT_EQ(loss(prompt, 3), unguided) << "away from the prompt itself is nowhere";
}

}  // namespace
}  // namespace videodiffcr::training
