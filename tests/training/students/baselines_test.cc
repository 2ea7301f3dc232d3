// The students that VideoDiffCR is compared with, on the shipped tiny model.
#include "training/students/baselines.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "tests/system/temporary_folder.h"
#include "tests/training/tiny_model.h"
#include "training/evaluation/clip_source.h"
#include "training/evaluation/plain_sampler.h"
#include "training/evaluation/retention_cost.h"
#include "training/run/checkpoint.h"
#include "training/students/d2it_student.h"
#include "training/students/dense_observation.h"
#include "training/students/flexidit_student.h"
#include "training/students/literal_diffcr_student.h"
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

class BaselinesTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = LoadTiny();
    hidden_ = EncodeCaptions(*model_, {"a large red circle moves right fast"}).value();
    StepRandom random(4, 0, at::kCPU);
    for (int step = 0; step < 4; ++step) noise_.push_back(random.Normal({1, 3, 16, 12, 20}));
  }

  static std::shared_ptr<TrainingModel> LoadTiny() {
    return std::make_shared<TrainingModel>(LoadTrainingModel(TinyTeacher(), at::kCPU).value());
  }
  std::unique_ptr<Student> Make(const std::string& method, double target) const {
    return MakeBaseline({method, target}, TinyTeacher(), 1, *model_).value();
  }
  static RolloutPurpose Serving(const Student& student) {
    return {student.budgets().back(), at::kFloat, {}, {}, StepRandom(1, 0, at::kCPU)};
  }
  // The flow of one pass over noise in the first chunk.
  at::Tensor FirstFlow(const Student& student, const RolloutPurpose& purpose, size_t step, PassKind kind) const {
    const auto network = student.Open(purpose);
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    return network->Flow(noise_[0], step, state, kind);
  }
  // x0 of one chunk after all steps.
  at::Tensor Chunk(StudentNetwork& network, const RolloutState& state) const {
    at::Tensor x = noise_[0], x0;
    for (size_t step = 0; step < 4; ++step) {
      x0 = FlowToX0(network.Flow(x, step, state, PassKind::kServed), x, model_->schedule.sigmas[step]);
      if (step < 3) x = AddNoise(x0, noise_[step + 1], model_->schedule.sigmas[step + 1]);
    }
    return x0;
  }
  // As a run of training writes it.
  void WriteFolder(Student& student, const std::string& folder) const {
    for (const auto& file : std::filesystem::directory_iterator(TinyTeacher())) {
      std::filesystem::copy_file(file.path(), folder + "/" + file.path().filename().string(),
                                 std::filesystem::copy_options::overwrite_existing);
    }
    const StudentExport result = student.Export();
    for (const ResultFile& file : result.files) {
      ASSERT_TRUE(WriteWeights(folder + "/" + file.name, file.rows, file.dtype, student.settings()).ok());
    }
    std::ofstream(folder + "/config.json") << FormatModelConfig(*result.config);
  }

  std::shared_ptr<TrainingModel> model_;
  at::Tensor hidden_;
  std::vector<at::Tensor> noise_;
  const TemporaryFolder folder_;
};

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

SpvitSelector SelectorOf(SpvitStudent& student, size_t stage) {
  const std::vector<WeightRow> rows = student.OwnRows();
  const auto linear = [&](size_t index) {
    const size_t row = rows.size() / kSpvitStages * stage + 2 * index;
    return LinearWeights{*rows[row].destination, *rows[row + 1].destination};
  };
  return {linear(0), linear(1), linear(2), linear(3)};
}

// Not that this ranking serves SPViT better than its reverse: whether it does depends on the network.
TEST_F(BaselinesTest, SpvitsSelectorsAreFittedToWhatLaterBlocksChangeMost) {
  const c10::NoGradGuard no_gradients;
  auto student = SpvitStudent::Make({"spvit", 0.6875}, *model_).value();
  ASSERT_TRUE(student->Initialize(1).ok());
  const TransformerConfig& config = model_->config.transformer;
  const SpvitStages stages = SpvitStagesOf(0.6875, config.num_layers, config.tokens_per_chunk()).value();
  double error = 0;
  int measured = 0;
  const auto measure = [&](const ResidualStream& stream) {
    for (size_t stage = 0; stage < kSpvitStages; ++stage, ++measured) {
      const at::Tensor& entered = stream[stages.before_block[stage]];
      const SpvitChances chances = ChancesOf(SelectorOf(*student, stage), config.num_heads, config.eps, entered);
      const at::Tensor right = StandardizedLogNorm(stream.back() - entered);
      error += (chances.kept - chances.dropped - right).square().mean().item<double>();
    }
  };
  ASSERT_TRUE(ObserveDenseRollouts(*model_, 2, measure).ok());  // others than those that they were fitted to
  EXPECT_LT(error / measured, 0.7) << "a mean square: 1 for scores that say nothing";
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

TEST(LiteralDiffcrTest, RowsAreRoundedUpFromARatioInSinglePrecision) {
  EXPECT_EQ(LiteralRows(8, 4680), 3745) << "a little above 0.8";
  EXPECT_EQ(LiteralRows(7, 4680), 3276) << "a little below 0.7";
  EXPECT_EQ(LiteralRows(6, 180), 109);
  EXPECT_EQ(LiteralRows(10, 180), 180);
}

// With a router of zeros every gate is a half, in blocks that keep all tokens too: DiffCR's public code begins so.
TEST_F(BaselinesTest, LiteralDiffcrGatesDenseBlocksToo) {
  const c10::NoGradGuard no_gradients;
  LiteralDiffcrStudent student({"diffcr-literal", 0.5}, *model_);
  ASSERT_TRUE(student.Initialize(1).ok());
  student.OwnRows()[0].destination->zero_();
  const RolloutPurpose begin = {5, at::kFloat, UpdateMoment{0, 10, 1e-4}, {}, {}};  // all ratios are 1
  const at::Tensor flow = FirstFlow(student, begin, 1, PassKind::kServed);
  const at::Tensor dense = FirstFlow(student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
  EXPECT_GT((flow - dense).norm().item<double>(), 0.05 * dense.norm().item<double>());
  for (BlockWeights& block : model_->transformer.weights.blocks) {
    block.ffn_out.weight.mul_(0.5);
    block.ffn_out.bias.mul_(0.5);
  }
  const at::Tensor halved = FirstFlow(student, {kDenseTenths, at::kFloat, {}, {}}, 1, PassKind::kServed);
  for (BlockWeights& block : model_->transformer.weights.blocks) {
    block.ffn_out.weight.mul_(2);
    block.ffn_out.bias.mul_(2);
  }
  EXPECT_LT((flow - halved).abs().max().item<double>(), 1e-4);
}

// The ratios begin at 1, go to the target while the penalty pulls, and the table that is kept executes it.
TEST_F(BaselinesTest, LiteralDiffcrsRatiosArePulledToTheTargetAndThenFixed) {
  LiteralDiffcrStudent student({"diffcr-literal", 0.5}, *model_);
  ASSERT_TRUE(student.Initialize(1).ok());
  at::Tensor& ratios = *student.StoredRows()[0].destination;
  ratios.set_requires_grad(true);
  student.Penalty({0, 10, 1e-4}, 5).backward();
  EXPECT_GT(ratios.grad().min().item<double>(), 0) << "down";
  EXPECT_GT(student.Rates({7, 10, 1e-4})[2].learning_rate, 0);
  EXPECT_EQ(student.Rates({8, 10, 1e-4})[2].learning_rate, 0);
  EXPECT_FALSE(student.Penalty({8, 10, 1e-4}, 5).defined());
  const c10::NoGradGuard no_gradients;
  ratios.add_(0.3);
  student.AfterUpdate({0, 10, 1e-4}, {});
  EXPECT_EQ(ratios.max().item<float>(), 1);
}

TEST(MixtureOfDepthsTest, RoutesEverySecondBlockUnlessThatLeavesItLessThanAnEighth) {
  EXPECT_THAT(MixtureOfDepthsRows(0.8125, 6, 180), ElementsAre(180, 112, 180, 113, 180, 113));
  EXPECT_THAT(MixtureOfDepthsRows(0.6875, 6, 180), ElementsAre(180, 67, 180, 68, 180, 68));
  EXPECT_THAT(MixtureOfDepthsRows(0.5, 6, 180), ElementsAre(180, 45, 45, 180, 45, 45));
}

TEST(SpvitTest, StagesKeepTheSameShareEachAndPackagesCount) {
  const SpvitStages stages = SpvitStagesOf(0.6875, 6, 180).value();
  EXPECT_THAT(stages.before_block, ElementsAre(2, 4));
  EXPECT_NEAR(static_cast<double>(stages.kept[1]) / stages.kept[0], stages.kept[0] / 180.0, 0.01);
  EXPECT_NEAR((2 * 180 + 2 * (stages.kept[0] + 1) + 2 * (stages.kept[1] + 2)) / 1080.0, 0.6875, 0.001);
  EXPECT_THAT(SpvitStagesOf(0.3, 6, 180).status().message(), HasSubstr("--target 0.3: spvit's two stages"));
}

// With a selector that likes what the first channel of a head says, those tokens are kept.
TEST_F(BaselinesTest, SpvitsChancesAreThoseOfTheSelector) {
  const c10::NoGradGuard no_gradients;
  auto student = SpvitStudent::Make({"spvit", 0.5}, *model_).value();
  ASSERT_TRUE(student->Initialize(1).ok());
  StepRandom random(9, 0, at::kCPU);
  const at::Tensor x = random.Normal({2, 50, 192});
  const SpvitSelector selector = SelectorOf(*student, 0);
  const SpvitChances chances = ChancesOf(selector, 3, 1e-6, x);
  EXPECT_LT((chances.kept.exp() + chances.dropped.exp() - 1).abs().max().item<double>(), 1e-4);
  EXPECT_GT(chances.kept.std().item<double>(), 0.01) << "all alike";
  // The mean over the tokens is part of it: another token elsewhere changes a token's chance.
  at::Tensor other = x.clone();
  other.narrow(1, 0, 25).neg_();
  EXPECT_FALSE(ChancesOf(selector, 3, 1e-6, other).kept[0][40].equal(chances.kept[0][40]));
}

TEST(D2itTest, CoarseRegionsMeetTheTargetToARegion) {
  EXPECT_EQ(CoarseRegions(0.8125, 180), 11);
  EXPECT_EQ(CoarseRegions(0.6875, 180), 19);
  EXPECT_EQ(CoarseRegions(0.5, 180), 30);
}

TEST(D2itTest, TheVarianceOfARegionIsOfItsOwnLatents) {
  at::Tensor latents = at::zeros({1, 2, 3, 4, 8});
  latents[0][1][2][3][4] = 4;  // second frame, lower right region of 4 x 4
  const at::Tensor variance = RegionVariance(latents, 4, 4);
  ASSERT_EQ(variance.sizes(), (at::IntArrayRef{1, 4}));
  EXPECT_EQ(variance[0][3].item<float>(), 1.0f / 3 * 15 / 16);
  EXPECT_EQ(variance.sum().item<float>(), variance[0][3].item<float>());
}

// How many of the 2 x 2 regions of a flow have the same patch four times: [regions], 1 or 0.
at::Tensor AlikeRegions(const at::Tensor& flow) {
  const at::Tensor patches = flow[0].view({3, 16, 3, 2, 2, 5, 2, 2}).permute({0, 2, 5, 3, 6, 1, 4, 7});
  const at::Tensor of_region = patches.reshape({45, 4, 64});
  return (of_region - of_region.narrow(1, 0, 1)).abs().amax({1, 2}).lt(1e-5);
}

// Without the tokens' own detail, a coarse region's four patches are the same.
TEST_F(BaselinesTest, D2itMergesTheRegionsThatVaryLeastInTheEstimateOfTheStepBefore) {
  const c10::NoGradGuard no_gradients;
  auto student = D2itStudent::Make({"d2it", 0.6875}, TinyTeacher(), *model_).value();
  ASSERT_TRUE(student->Initialize(1).ok());
  student->OwnRows()[0].destination->zero_();
  const auto network = student->Open(Serving(*student));
  RolloutState state(model_->config.transformer);
  state.text = network->MakeText(hidden_);
  const at::Tensor first = network->Flow(noise_[0], 0, state, PassKind::kServed);
  EXPECT_EQ(AlikeRegions(first).sum().item<int64_t>(), 19);
  const at::Tensor estimate = FlowToX0(first, noise_[0], model_->schedule.sigmas[0]);
  const at::Tensor alike = AlikeRegions(network->Flow(noise_[1], 1, state, PassKind::kServed));
  EXPECT_EQ(alike.sum().item<int64_t>(), 19);
  const at::Tensor variance = RegionVariance(estimate, 4, 4)[0];
  EXPECT_LE(variance.masked_select(alike).max().item<float>(),
            variance.masked_select(alike.logical_not()).min().item<float>());
}

TEST(FlexiditTest, PassesInOrderMeetTheTarget) {
  EXPECT_THAT(PatchesOfSteps(0.8125, 4), ElementsAre(4, 1, 1, 1));
  EXPECT_THAT(PatchesOfSteps(0.6875, 4), ElementsAre(4, 2, 1, 1));
  EXPECT_THAT(PatchesOfSteps(0.5, 4), ElementsAre(4, 4, 2, 1));
}

// At first the large head says the same for each small patch, and a chunk of equal patches is seen as by the small
// ones.
TEST_F(BaselinesTest, FlexiditSeesLargePatchesAsTheMeanOfSmallOnes) {
  const c10::NoGradGuard no_gradients;
  const auto student = Make("flexidit", 0.6875);
  const at::Tensor quarter = FirstFlow(*student, Serving(*student), 0, PassKind::kServed);
  EXPECT_EQ(AlikeRegions(quarter).sum().item<int64_t>(), 45);
  const at::Tensor half = FirstFlow(*student, Serving(*student), 1, PassKind::kServed);
  EXPECT_EQ(AlikeRegions(half).sum().item<int64_t>(), 0);
  const at::Tensor pairs =
      half[0].view({3, 16, 12, 5, 2, 2}).unbind(4)[0] - half[0].view({3, 16, 12, 5, 2, 2}).unbind(4)[1];
  EXPECT_LT(pairs.abs().max().item<double>(), 1e-5) << "side by side";
  noise_[0] = noise_[0].narrow(3, 0, 2).narrow(4, 0, 2).repeat({1, 1, 1, 6, 10});
  const at::Tensor dense = FirstFlow(*student, {kDenseTenths, at::kFloat, {}, {}}, 0, PassKind::kServed);
  const at::Tensor alike = FirstFlow(*student, Serving(*student), 0, PassKind::kServed);
  EXPECT_LT((alike - dense).norm().item<double>(), 0.3 * dense.norm().item<double>());
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
