// Students of the shipped tiny model.
#include "training/students/student.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/training/tiny_model.h"
#include "training/model/network_copy.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/students/routed_network.h"
#include "training/students/routed_student.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StudentsTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = std::make_unique<TrainingModel>(LoadTrainingModel(TinyModel(), at::kCPU).value());
    hidden_ = EncodeCaptions(*model_, {"a large red circle moves right fast"}).value();
    StepRandom random(4, 0, at::kCPU);
    noise_ = random.Normal({1, 3, 16, 12, 20});
  }

  std::unique_ptr<VideodiffcrStudent> Make(VideodiffcrOptions options) {
    return VideodiffcrStudent::Make(options, TinyModel(), 1, *model_).value();
  }
  // The flow of one pass over noise, first chunk.
  at::Tensor FirstFlow(const Student& student, const RolloutPurpose& purpose, size_t step, PassKind kind) {
    const auto network = student.Open(purpose);
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    return network->Flow(noise_, step, state, kind);
  }
  // The flow of one pass over noise in the second chunk; the first was noise too.
  at::Tensor SecondFlow(const Student& student, const RolloutPurpose& purpose, size_t step, PassKind kind) {
    const auto network = student.Open(purpose);
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    {
      const c10::NoGradGuard no_gradients;
      state.cache.Append(network->ContextKeys(noise_.flip(4), state));
    }
    return network->Flow(noise_, step, state, kind);
  }
  static RolloutPurpose Training(RetentionTenths budget, double progress) {
    return {budget, at::kFloat, UpdateMoment{static_cast<int64_t>(1000 * progress), 1000, 1e-4}, {}};
  }

  std::unique_ptr<TrainingModel> model_;
  at::Tensor hidden_, noise_;
};

// What passes make of a chunk, against the library's own sampler. With a routed context pass the cache would differ in
// a student that made it dense.
TEST_F(StudentsTest, TheShippedStudentLeavesTheChunkAndTheKeysThatTheSamplerLeavesAlsoWithARoutedContextPass) {
  const c10::NoGradGuard no_gradients;
  ASSERT_TRUE(LoadRouters(TinyModel(), model_.get()).ok());
  const RetentionTable& table = model_->config.retention.tables.back();
  for (const ContextMode mode : {ContextMode::kDense, ContextMode::kRoutedFullKv}) {
    model_->config.retention.context_mode = mode;
    const RoutedStudent student(*model_, 0);
    const auto network = student.Open({table.nominal, at::kFloat, {}, {}});
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    const SamplerOptions options = {model_->schedule, {model_->config.retention.gate}, mode};
    const ChunkNoise noise(4, noise_);
    RolloutState sampled_state = state;
    const SampledChunk sampled = SampleChunk(model_->transformer, options, table, noise, &sampled_state);
    at::Tensor x = noise[0], x0;
    for (size_t step = 0; step < 4; ++step) {
      x0 = FlowToX0(network->Flow(x, step, state, PassKind::kServed), x, model_->schedule.sigmas[step]);
      if (step < 3) x = AddNoise(x0, noise[step + 1], model_->schedule.sigmas[step + 1]);
    }
    EXPECT_TRUE(x0.equal(sampled.latents));
    const std::vector<KeysValues> keys = network->ContextKeys(x0, state);
    for (size_t block = 0; block < keys.size(); ++block) {
      EXPECT_TRUE(keys[block].k.equal(sampled_state.cache.past()[block].k)) << block;
      EXPECT_TRUE(keys[block].v.equal(sampled_state.cache.past()[block].v)) << block;
    }
  }
}

// Which tokens run matters: those that the block changes most lose less than those that it changes least. By the
// teacher, since what ships has learned to stand either.
TEST_F(StudentsTest, TheOracleIsNearerToTheDenseModelThanItsReverse) {
  const c10::NoGradGuard no_gradients;
  TrainingModel teacher = LoadTrainingModel(TinyTeacher(), at::kCPU).value();
  teacher.config.sampling = model_->config.sampling;
  teacher.config.retention = model_->config.retention;
  ASSERT_TRUE(LoadRouters(TinyModel(), &teacher).ok());
  const RoutedStudent student(teacher, 0);
  const auto error_of = [&](double sign) {
    RolloutPurpose purpose = {7, at::kFloat, {}, {}};
    purpose.scorer = [sign](const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
      return UpdateNormScores(weights, context, x) * sign;
    };
    const at::Tensor dense = FirstFlow(student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
    return (FirstFlow(student, purpose, 1, PassKind::kServed) - dense).square().mean().item<double>();
  };
  EXPECT_LT(error_of(1), 0.9 * error_of(-1));
}

// Were anything drawn for it, its prompts and noise would be others, since they come from the same stream next.
TEST_F(StudentsTest, TheDenseControlDrawsNoMoreThanAStudentOfOneBudget) {
  const auto next = [](const Student& student) {
    RandomStream random(1, DrawPurpose::kRandomScores, 2);
    student.BudgetOf({}, random);
    return random.Bits64();
  };
  EXPECT_EQ(next(RoutedStudent(*model_, 0)), next(*Make({.targets = {0.7}})));
}

TEST_F(StudentsTest, Acceptance9AtTheAlternatingStartATrainedPassIsTheServedOneBitForBit) {
  const auto student = Make({.targets = {0.7}});
  const c10::NoGradGuard no_gradients;
  for (size_t step = 0; step < 4; ++step) {
    const at::Tensor served = FirstFlow(*student, {7, at::kFloat, {}, {}}, step, PassKind::kServed);
    EXPECT_TRUE(FirstFlow(*student, Training(7, 0.5), step, PassKind::kTrained).equal(served)) << step;
  }
}

TEST_F(StudentsTest, Acceptance10RatiosAreFp32AndMoveByAStepOfTheirRate) {
  const auto student = Make({.targets = {0.9}, .ratio_learning_rate = 1e-5});
  AdamW optimizer(student->Parameters(), {0.0, 0.999, 1e-8, 0});
  const at::Tensor before = student->ratios(9).detach().clone();
  EXPECT_EQ(before.scalar_type(), at::kFloat);
  student->ratios(9).sum().backward();
  ASSERT_TRUE(optimizer.UpdateGroups(student->Rates({50, 1000, 1e-4})).ok());
  const at::Tensor step = before - student->ratios(9).detach();
  EXPECT_NEAR(step.min().item<double>(), 1e-5, 2e-6);
  EXPECT_NEAR(step.max().item<double>(), 1e-5, 2e-6);
}

TEST_F(StudentsTest, ALossReachesTheRatiosOfItsTargetTheRoutersTheGatesAndTheWeights) {
  const auto student = Make({.targets = {0.7, 0.5}});
  const std::vector<ParameterGroup> groups = student->Parameters();
  const AdamW optimizer(groups, {});
  FirstFlow(*student, Training(5, 0.5), 1, PassKind::kTrained).square().mean().backward();
  const auto has_gradient = [](const WeightRow& row) {
    return row.destination->grad().defined() && row.destination->grad().abs().sum().item<double>() > 0;
  };
  EXPECT_EQ(groups[3].name, "ratios.7");
  EXPECT_FALSE(has_gradient(groups[3].rows[0]));
  EXPECT_TRUE(has_gradient(groups[4].rows[0]));
  EXPECT_TRUE(has_gradient(groups[2].rows[0])) << "gates";
  for (const WeightRow& row : groups[1].rows) EXPECT_TRUE(has_gradient(row)) << row.name;
  EXPECT_TRUE(has_gradient(groups[0].rows[20]));
}

TEST_F(StudentsTest, UntrainedABypassAndCacheAwareRoutersChangeNoPassBitForBit) {
  const c10::NoGradGuard no_gradients;
  VideodiffcrOptions options = {.targets = {0.5}, .initial_ratios = {0.63, 0.37}};
  const auto plain = Make(options);
  options.light_bypass = 8;
  options.cache_aware = true;
  const auto with = Make(options);
  for (const ContextMode mode : {ContextMode::kDense, ContextMode::kRoutedFullKv}) {
    model_->config.retention.context_mode = mode;
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {  // bf16: as on a GPU
      for (RolloutPurpose purpose : {Training(5, 0.5), RolloutPurpose{5, at::kFloat, {}, {}}}) {
        purpose.dtype = dtype;
        const PassKind kind = purpose.moment ? PassKind::kTrained : PassKind::kServed;
        EXPECT_TRUE(SecondFlow(*with, purpose, 1, kind).equal(SecondFlow(*plain, purpose, 1, kind)));
      }
    }
  }
}

// What a student adds to its routed blocks, by name.
at::Tensor& TensorNamed(Student& student, const std::string& name) {
  const std::vector<ParameterGroup> groups = student.Parameters();
  for (const WeightRow& row : groups[1].rows) {
    if (row.name == name) return *row.destination;
  }
  ADD_FAILURE() << name;
  static at::Tensor none;
  return none;
}

TEST_F(StudentsTest, ALossReachesBypassAndCacheAwareRoutersAndTheyLowerIt) {
  const auto student = Make({.targets = {0.5}, .light_bypass = 8, .cache_aware = true});
  const at::Tensor dense = SecondFlow(*student, {kDenseTenths, at::kFloat, {}, {}}, 0, PassKind::kServed).detach();
  const auto loss = [&] { return (SecondFlow(*student, Training(5, 0.5), 0, PassKind::kTrained) - dense).square(); };
  ParameterGroup bypass = {"bypass", {}, 0};
  const std::vector<ParameterGroup> groups = student->Parameters();
  for (const WeightRow& row : groups[1].rows) {
    if (absl::StrContains(row.name, ".bypass.")) bypass.rows.push_back(row);
  }
  AdamW optimizer({bypass}, {0.0, 0.999, 1e-8, 0});
  TensorNamed(*student, "router.past_mix").set_requires_grad(true);
  const double before = loss().mean().item<double>();
  for (int64_t update = 0; update < 8; ++update) {
    loss().mean().backward();
    ASSERT_TRUE(optimizer.UpdateGroups({{3e-3, update}}).ok());
  }
  EXPECT_LT(loss().mean().item<double>(), 0.9 * before);
  EXPECT_GT(TensorNamed(*student, "router.past_mix").grad().abs().sum().item<double>(), 0);
}

TEST_F(StudentsTest, AdditionsAreTrainedInFp32ByPassesInBf16) {
  const auto student = Make({.targets = {0.5}, .light_bypass = 8, .cache_aware = true});
  const AdamW optimizer(student->Parameters(), {});
  RolloutPurpose purpose = Training(5, 0.5);
  purpose.dtype = at::kBFloat16;
  SecondFlow(*student, purpose, 0, PassKind::kTrained).square().mean().backward();
  for (const char* name : {"blocks.1.bypass.up.weight", "router.past_mix"}) {
    const at::Tensor gradient = TensorNamed(*student, name).grad();
    EXPECT_EQ(gradient.scalar_type(), at::kFloat) << name;
    EXPECT_GT(gradient.abs().sum().item<double>(), 0) << name;
  }
}

TEST_F(StudentsTest, ACacheAwareRouterSeesTheChunkBeforeFromTheSecondChunkOn) {
  const c10::NoGradGuard no_gradients;
  const auto student = Make({.targets = {0.5}, .cache_aware = true});
  const RolloutPurpose served = {5, at::kFloat, {}, {}};
  const at::Tensor first = FirstFlow(*student, served, 1, PassKind::kServed);
  const at::Tensor second = SecondFlow(*student, served, 1, PassKind::kServed);
  TensorNamed(*student, "router.past_mix").fill_(0.7);
  EXPECT_TRUE(FirstFlow(*student, served, 1, PassKind::kServed).equal(first));
  EXPECT_FALSE(SecondFlow(*student, served, 1, PassKind::kServed).equal(second));
}

TEST_F(StudentsTest, TheThreeStagesTrainWhatTheyShould) {
  const auto student = Make({.targets = {0.7, 1.0}});
  const auto resting = [&](int64_t update) {
    std::vector<bool> rests;
    for (const GroupRate& rate : student->Rates({update, 100, 1e-4})) rests.push_back(rate.learning_rate == 0);
    return rests;
  };
  EXPECT_THAT(resting(4), ElementsAre(true, false, false, true)) << "routers and gates";
  EXPECT_THAT(resting(5), ElementsAre(false, false, false, false)) << "everything";
  EXPECT_THAT(resting(80), ElementsAre(false, false, false, true)) << "tables are fixed";
  EXPECT_EQ(student->Rates({5, 100, 1e-4})[0].update, 0);
  EXPECT_EQ(student->Rates({6, 100, 1e-4})[3].update, 0) << "update 6 is the first of target 0.7 in this stage";
  EXPECT_EQ(student->Rates({8, 100, 1e-4})[3].update, 1);
  RandomStream random(1, DrawPurpose::kStage, 0);
  EXPECT_EQ(student->BudgetOf({6, 100, 1e-4}, random), 7);
  EXPECT_EQ(student->BudgetOf({7, 100, 1e-4}, random), kDenseTenths);
  EXPECT_EQ(student->BudgetOf({-1, 100, 1e-4}, random), kDenseTenths) << "also before the first update";
}

TEST_F(StudentsTest, ATargetThatIsNamedTwiceIsOneBudgetAndTrainedTwiceAsOften) {
  const auto student = Make({.targets = {0.7, 0.5, 0.7}});
  EXPECT_THAT(student->budgets(), ElementsAre(kDenseTenths, 7, 5));
  RandomStream random(1, DrawPurpose::kStage, 0);
  std::vector<RetentionTenths> trained;
  for (int64_t update = -1; update < 4; ++update) trained.push_back(student->BudgetOf({update, 100, 1e-4}, random));
  EXPECT_THAT(trained, ElementsAre(7, 7, 5, 7, 7));
  // Of the second stage, updates 5, 6, 8 and 9 are those of 0.7.
  EXPECT_EQ(student->Rates({10, 100, 1e-4})[3].update, 4);
  EXPECT_EQ(student->Rates({10, 100, 1e-4})[4].update, 1);
}

TEST_F(StudentsTest, RatiosCanBeginAsTheTablesOfTheModel) {
  const auto student = Make({.targets = {0.7}, .model_ratios = true, .learn_ratios = false});
  EXPECT_EQ(student->ProjectedTable(7).tenths, (*FindTable(model_->config.retention, 7))->tenths);
  model_->config.retention.tables.back().tenths[0] = {1, 1, 1, 1, 10};
  const int name = model_->config.retention.tables.back().nominal;
  const auto error = VideodiffcrStudent::Make({.targets = {0.1 * name}, .model_ratios = true}, TinyModel(), 1, *model_);
  EXPECT_THAT(std::string(error.status().message()), HasSubstr("layers that are no ratio"));
}

TEST_F(StudentsTest, DeltasOfItsOwnMakeTheTablesAndGoIntoTheModelFolder) {
  const auto student =
      Make({.targets = {0.5}, .initial_ratios = {0.6, 0.4}, .deltas = {-0.4, -0.2, 0.2, 0.4}, .learn_ratios = false});
  EXPECT_THAT(student->ProjectedTable(5).tenths[0], ElementsAre(2, 4, 8, 10, 6));
  EXPECT_THAT(student->ProjectedTable(5).tenths[1], ElementsAre(1, 2, 6, 8, 4));
  EXPECT_THAT(student->Export().config->retention.step_delta_tenths, ElementsAre(-4, -2, 2, 4));
}

TEST_F(StudentsTest, TheBudgetLossPullsTheMeanToItsTargetWhicheverItIs) {
  for (const RatioAccounting accounting : {RatioAccounting::kNominal, RatioAccounting::kExecuted}) {
    const auto student = Make({.targets = {0.7}, .accounting = accounting, .initial_ratios = {0.9, 0.75}});
    AdamW optimizer(student->Parameters(), {0.0, 0.999, 1e-8, 0});
    for (int64_t update = 50; update < 150; ++update) {
      const UpdateMoment moment = {update, 1000, 1e-4};
      student->Penalty(moment, 7).backward();
      const auto norms = optimizer.UpdateGroups(student->Rates(moment));
      student->AfterUpdate(moment, *norms);
    }
    const RetentionTable table = student->ProjectedTable(7);
    double mean = 0;
    for (const std::vector<int>& layer : table.tenths) mean += 0.1 * layer.back() / 6;
    EXPECT_NEAR(accounting == RatioAccounting::kNominal ? mean : ExecutedRetention(table, 180), 0.7, 0.009);
  }
}

// The loss and the gradient on the ratios in the first stage say how strong the budget's pull is.
TEST_F(StudentsTest, TheBudgetsWeightBalancesTheMatchingGradientOfTheFirstStage) {
  const auto student = Make({.targets = {0.7}, .initial_ratios = {0.8}});
  const auto penalty = [&] { return student->Penalty({50, 100, 1e-4}, 7).item<double>(); };
  EXPECT_NEAR(penalty(), 0.01, 1e-6) << "1, the least, when nothing was measured";
  GradientNorms norms;
  norms.groups = {0, 0, 0, 0.8};
  student->AfterUpdate({0, 100, 1e-4}, norms);
  EXPECT_NEAR(penalty(), 0.01 * 0.8 * std::sqrt(6.0) / 0.04, 1e-4);
  norms.groups[3] = 1e6;
  student->AfterUpdate({60, 100, 1e-4}, norms);
  EXPECT_NEAR(penalty(), 0.01 * 0.8 * std::sqrt(6.0) / 0.04, 1e-4) << "later ones hold the budget's own pull";
}

TEST_F(StudentsTest, WhatCannotBeLearnedIsRefusedByName) {
  const auto error = [&](const VideodiffcrOptions& options) {
    return std::string(VideodiffcrStudent::Make(options, TinyModel(), 1, *model_).status().message());
  };
  EXPECT_THAT(error({.targets = {0}}), HasSubstr("--target 0: must be"));
  EXPECT_THAT(error({.initial_ratios = {0.7, 1.2}}), HasSubstr("--initial-ratios 1.2: must be from 0.1"));
  EXPECT_THAT(error({.initial_ratios = {0.7}, .model_ratios = true}), HasSubstr("takes no --initial-ratios"));
  EXPECT_THAT(error({.deltas = {-0.4, 0.4}}), HasSubstr("--deltas: 2 numbers; the model has 4 denoising steps"));
  EXPECT_THAT(error({.deltas = {-0.45, 0, 0, 0}}), HasSubstr("--deltas -0.45: must be a tenth"));
  EXPECT_THAT(error({.step_deltas = false, .deltas = {0, 0, 0, 0}}), HasSubstr("--step-deltas yes"));
  EXPECT_THAT(error({.router = RouterKind::kLinear, .cache_aware = true}), HasSubstr("--cache-aware"));
  model_->config.retention.file.clear();
  EXPECT_THAT(error({}), HasSubstr("retention needs a file"));
}

}  // namespace
}  // namespace videodiffcr::training
