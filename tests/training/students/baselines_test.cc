// The students that VideoDiffCR is compared with, on the shipped tiny model.
#include "training/students/baselines.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "tests/training/students/baselines_fixture.h"
#include "tests/training/tiny_model.h"
#include "training/evaluation/clip_source.h"
#include "training/evaluation/plain_sampler.h"
#include "training/evaluation/retention_cost.h"
#include "training/run/checkpoint.h"
#include "training/students/mixture_of_depths_student.h"
#include "training/students/routed_network.h"
#include "training/students/spvit_student.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Those without a retention table in config.json.
const std::vector<std::string>& OwnKinds() {
  static const auto& names =
      *new std::vector<std::string>{"random", "diffcr-literal", "mod", "spvit", "d2it", "flexidit"};
  return names;
}

// Query rows of the self-attentions that run while it lives, one after the other: text has 32 rows, and nothing else
// has.
class AttentionCounter {
 public:
  AttentionCounter() {
    rows_.clear();
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& call) {
                                           if (std::string(call.name()) == "aten::scaled_dot_product_attention") {
                                             const at::Tensor q = call.inputs()[0].toTensor();
                                             if (call.inputs()[1].toTensor().size(2) != 32) rows_.push_back(q.size(2));
                                           }
                                           return std::unique_ptr<at::ObserverContext>();
                                         })
                                             .needsInputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~AttentionCounter() { at::removeCallback(handle_); }

  static const std::vector<int64_t>& rows() { return rows_; }

 private:
  at::CallbackHandle handle_;
  static thread_local std::vector<int64_t> rows_;
};
thread_local std::vector<int64_t> AttentionCounter::rows_;

TEST_F(BaselinesTest, EveryStudentExecutesItsTargetWithinHalfAPointAndSaysWhatItCosts) {
  for (const std::string& method : OwnKinds()) {
    for (const double target : {0.8125, 0.6875, 0.5}) {
      std::unique_ptr<Student> student;
      if (method == "spvit") {
        student = SpvitStudent::Make({method, target}, *model_).value();  // how many is no matter of its selectors
      } else {
        student = Make(method, target);
      }
      ASSERT_EQ(student->budgets().size(), 2u);
      const RetentionCost cost = CostOfRows(model_->config, student->RowsOf(student->budgets()[1]), 4);
      EXPECT_NEAR(cost.executed, target, method == "diffcr-literal" ? 0.01 : 0.005) << method;  // which rounds up
      EXPECT_NEAR(cost.executed_with_context, (4 * cost.executed + 1) / 5, 1e-9) << method;
      const RetentionCost dense = CostOfRows(model_->config, student->RowsOf(kDenseTenths), 4);
      EXPECT_DOUBLE_EQ(dense.executed, 1) << method;
      EXPECT_LT(cost.multiply_adds, (target + 0.01) * dense.multiply_adds) << method;
    }
  }
}

TEST_F(BaselinesTest, TheRowsThatAStudentStatesAreThoseThatItsAttentionSees) {
  const c10::NoGradGuard no_gradients;
  for (const std::string& method : OwnKinds()) {
    const auto student = Make(method, 0.5);
    const auto network = student->Open(Serving(*student));
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    std::vector<int64_t> seen;
    {
      const AttentionCounter counter;
      network->ContextKeys(Chunk(*network, state), state);
      seen = AttentionCounter::rows();
    }
    const PassRows rows = student->RowsOf(student->budgets()[1]);
    std::vector<int64_t> stated;
    for (size_t pass = 0; pass < 5; ++pass) {
      for (const std::vector<int64_t>& block : rows) stated.push_back(block[pass]);
    }
    EXPECT_EQ(seen, stated) << method;
  }
}

TEST_F(BaselinesTest, ALossReachesTheWeightsAndWhatTheMethodAdds) {
  for (const std::string method : {"diffcr-literal", "mod", "spvit", "d2it", "flexidit"}) {
    const auto student = Make(method, 0.6875);
    const std::vector<ParameterGroup> groups = student->Parameters();
    const AdamW optimizer(groups, {});
    const auto network = student->Open({7, at::kFloat, UpdateMoment{5, 10, 1e-4}, {}, StepRandom(1, 0, at::kCPU)});
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    at::Tensor loss = network->Flow(noise_[0], 0, state, PassKind::kTrained).square().mean();
    loss = loss + network->Flow(noise_[1], 1, state, PassKind::kTrained).square().mean();
    loss.backward();
    const auto has_gradient = [](const WeightRow& row) {
      return row.destination->grad().defined() && row.destination->grad().abs().sum().item<double>() > 0;
    };
    for (const WeightRow& row : groups[1].rows) EXPECT_TRUE(has_gradient(row)) << method << " " << row.name;
    EXPECT_TRUE(has_gradient(groups[0].rows[20])) << method;
  }
}

TEST_F(BaselinesTest, AFolderOpensAsTheStudentThatWroteItAndNothingElseOpensIt) {
  const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, 5, 2}};
  for (const std::string& method : OwnKinds()) {
    const std::string folder = folder_.Path(method);
    std::filesystem::create_directory(folder);
    const std::shared_ptr<Student> student = Make(method, 0.5);
    ASSERT_NO_FATAL_FAILURE(WriteFolder(*student, folder));
    const absl::StatusOr<PlainSampler> opened = PlainSampler::Load(folder, at::kCPU);
    ASSERT_TRUE(opened.ok()) << method << " " << opened.status();
    const at::Tensor clips = opened->Generate(request, TokenRanking::kRouter, 1).value();
    EXPECT_TRUE(clips.equal(PlainSampler(model_, student).Generate(request, TokenRanking::kRouter, 1).value()))
        << method;
    EXPECT_EQ(opened->RowsOf(5), student->RowsOf(5)) << method;
    const auto served = CreateVideoModel({folder, "cpu", 1});
    EXPECT_EQ(served.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(served.status().message(), HasSubstr(method + "/student.safetensors: a model that takes tokens out"));
    StageOptions stage;
    stage.model = folder;
    EXPECT_THAT(LoadTrainingModel(stage).status().message(), HasSubstr("nothing can be built on a model"));
  }
}

// VideoDiffCR with what is added to its routed blocks: opened whole, or by nobody.
TEST_F(BaselinesTest, AFolderWithCacheAwareRoutersOpensAsTheStudentThatWroteItAndNothingElseOpensIt) {
  VideodiffcrOptions options = {.targets = {0.5}, .light_bypass = 8, .cache_aware = true};
  const std::shared_ptr<Student> student = VideodiffcrStudent::Make(options, TinyTeacher(), 1, *model_).value();
  const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, 5, 2}};
  const auto clips_of = [&](const PlainSampler& sampler) {
    return sampler.Generate(request, TokenRanking::kRouter, 1).value();
  };
  const at::Tensor untrained = clips_of(PlainSampler(model_, student));
  const std::vector<ParameterGroup> groups = student->Parameters();
  for (const WeightRow& row : groups[1].rows) {
    if (row.name.ends_with("bypass.up.weight") || row.name == "router.past_mix") row.destination->fill_(0.02);
  }
  const std::string folder = folder_.Path("cache_aware");
  std::filesystem::create_directory(folder);
  ASSERT_NO_FATAL_FAILURE(WriteFolder(*student, folder));
  const absl::StatusOr<PlainSampler> opened = PlainSampler::Load(folder, at::kCPU);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(clips_of(*opened).equal(clips_of(PlainSampler(model_, student))));
  EXPECT_FALSE(clips_of(*opened).equal(untrained));
  EXPECT_EQ(opened->config().retention.bypass_rank, 8);
  const auto served = CreateVideoModel({folder, "cpu", 1});
  EXPECT_THAT(served.status().message(), HasSubstr("student.safetensors: a model that takes tokens out"));
  StageOptions stage;
  stage.model = folder;
  EXPECT_THAT(LoadTrainingModel(stage).status().message(), HasSubstr("nothing can be built on a model"));
}

// A light bypass is of the model folder, so that servers run it and training goes on from it.
TEST_F(BaselinesTest, AFolderWithALightBypassIsServedAsItWasTrained) {
  const std::shared_ptr<Student> student =
      VideodiffcrStudent::Make({.targets = {0.5}, .light_bypass = 8}, TinyTeacher(), 1, *model_).value();
  const std::vector<ParameterGroup> groups = student->Parameters();
  const auto is_up = [](const WeightRow& row) { return row.name.ends_with("bypass.up.weight"); };
  for (const WeightRow& row : groups[1].rows) {
    if (is_up(row)) row.destination->fill_(0.02);
  }
  const std::string folder = folder_.Path("bypass");
  std::filesystem::create_directory(folder);
  ASSERT_NO_FATAL_FAILURE(WriteFolder(*student, folder));
  const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, 5, 2}};
  const at::Tensor trained = PlainSampler(model_, student).Generate(request, TokenRanking::kRouter, 1).value();
  const auto served = CreateVideoModel({folder, "cpu", 1});
  ASSERT_TRUE(served.ok()) << served.status();
  const EvaluationCondition condition = {.name = "short", .budget = 5, .chunks = 2};
  const at::Tensor clips = MakeClips(ServedClips(**served, model_->config), condition, request).value();
  EXPECT_LT((clips - trained).abs().mean().item<double>(), 2e-3);

  StageOptions stage;
  stage.model = folder;
  TrainingModel again = LoadTrainingModel(stage).value();
  const auto next = VideodiffcrStudent::Make({.targets = {0.5}}, folder, 2, again).value();
  const std::vector<ParameterGroup> next_groups = next->Parameters();
  EXPECT_EQ(std::count_if(next_groups[1].rows.begin(), next_groups[1].rows.end(), is_up), 6);
  for (const WeightRow& row : next_groups[1].rows) {
    if (is_up(row)) {
      EXPECT_FLOAT_EQ(row.destination->max().item<float>(), 0.02f) << row.name;
    }
  }
  EXPECT_THAT(VideodiffcrStudent::Make({.targets = {0.5}, .light_bypass = 4}, folder, 2, again).status().message(),
              HasSubstr("--light-bypass 4: the model has one of rank 8"));
}

// What is drawn next are prompts and noise.
TEST_F(BaselinesTest, NoMethodDrawsForItsBudgetSoThatAllSeeTheSamePromptsAndNoise) {
  RandomStream untouched(1, DrawPurpose::kRandomScores, 2);
  const uint64_t next = untouched.Bits64();
  for (const std::string& method : BaselineMethods()) {
    RandomStream random(1, DrawPurpose::kRandomScores, 2);
    Make(method, 0.6875)->BudgetOf({}, random);
    EXPECT_EQ(random.Bits64(), next) << method;
  }
}

// Which tokens run matters to a student that ranks tokens.
TEST_F(BaselinesTest, TheOracleIsNearerToTheDenseModelThanItsReverse) {
  const c10::NoGradGuard no_gradients;
  for (const std::string method : {"random", "mod"}) {
    const auto student = Make(method, 0.6875);
    const at::Tensor dense = FirstFlow(*student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
    const auto error_of = [&](double sign) {
      RolloutPurpose purpose = Serving(*student);
      purpose.scorer = [sign](const BlockWeights& weights, const BlockContext& context, const at::Tensor& x) {
        // Of the size that a fresh router's scores have: MoD gates by them.
        return UpdateNormScores(weights, context, x) * (0.001 * sign);
      };
      return (FirstFlow(*student, purpose, 1, PassKind::kServed) - dense).square().mean().item<double>();
    };
    EXPECT_LT(error_of(1), 0.8 * error_of(-1)) << method;
  }
}

TEST_F(BaselinesTest, RandomScoresAreDrawnForEveryPassAndTheSameForTheSameDraws) {
  const c10::NoGradGuard no_gradients;
  const auto student = Make("random", 0.5);
  RolloutPurpose other = Serving(*student);
  other.random.emplace(2, 0, at::kCPU);
  const at::Tensor flow = FirstFlow(*student, Serving(*student), 0, PassKind::kServed);
  EXPECT_TRUE(FirstFlow(*student, Serving(*student), 0, PassKind::kServed).equal(flow));
  EXPECT_FALSE(FirstFlow(*student, other, 0, PassKind::kServed).equal(flow));
  const auto network = student->Open(Serving(*student));
  RolloutState state(model_->config.transformer);
  state.text = network->MakeText(hidden_);
  EXPECT_TRUE(network->Flow(noise_[0], 0, state, PassKind::kServed).equal(flow));
  EXPECT_FALSE(network->Flow(noise_[0], 0, state, PassKind::kServed).equal(flow)) << "the second pass draws again";
}

TEST(MixtureOfDepthsTest, RoutesEverySecondBlockUnlessThatLeavesItLessThanAnEighth) {
  EXPECT_THAT(MixtureOfDepthsRows(0.8125, 6, 180), ElementsAre(180, 112, 180, 113, 180, 113));
  EXPECT_THAT(MixtureOfDepthsRows(0.6875, 6, 180), ElementsAre(180, 67, 180, 68, 180, 68));
  EXPECT_THAT(MixtureOfDepthsRows(0.5, 6, 180), ElementsAre(180, 45, 45, 180, 45, 45));
}

TEST_F(BaselinesTest, WhatCannotBeIsRefusedByName) {
  const auto error = [&](const BaselineOptions& options) {
    return std::string(MakeBaseline(options, TinyTeacher(), 1, *model_).status().message());
  };
  EXPECT_THAT(error({"mod", 0.05}), HasSubstr("--target 0.05: must be from 0.1 to below 1 for mod"));
  EXPECT_THAT(error({"flexidit", 1}), HasSubstr("--target 1: must be"));
}

TEST_F(BaselinesTest, AHostileFolderIsRefusedByFileAndField) {
  at::Tensor tensor = at::full({6, 4}, 7.5);
  const std::string file = folder_.Path("student.safetensors");
  const auto error = [&](const std::string& tensor_name, const std::map<std::string, std::string>& metadata) {
    EXPECT_TRUE(WriteWeights(file, {{tensor_name, tensor.sizes().vec(), &tensor}}, at::kFloat, metadata).ok());
    const auto student = OpenBaseline(folder_.Path(""), *model_);
    EXPECT_FALSE(student.ok());
    return std::string(student.status().message());
  };
  EXPECT_THAT(error("tenths", {}), HasSubstr("metadata method: \"\"; must be one of random, diffcr-literal"));
  EXPECT_THAT(error("tenths", {{"method", "magic"}, {"target", "0.5"}}), HasSubstr("method: \"magic\""));
  EXPECT_THAT(error("tenths", {{"method", "random"}, {"target", "nan"}}), HasSubstr("metadata target: \"nan\""));
  EXPECT_THAT(error("tenths", {{"method", "random"}, {"target", "0.5"}}), HasSubstr("tensor tenths holds 7.5"));
  EXPECT_THAT(error("tens", {{"method", "random"}, {"target", "0.5"}}), HasSubstr("tens"));
  EXPECT_THAT(error("tenths", {{"method", "mod"}, {"target", "0.5"}}), HasSubstr("router.weight"));
  EXPECT_THAT(error("ratios", {{"method", "diffcr-literal"}, {"target", "0.5"}}), HasSubstr("router.weight"));
  EXPECT_THAT(error("tenths", {{"method", "spvit"}, {"target", "0.2"}}), HasSubstr("student.safetensors: "));
  EXPECT_THAT(error("bypass.down", {{"method", "videodiffcr"}}), HasSubstr("student.safetensors: "));
}

}  // namespace
}  // namespace videodiffcr::training
