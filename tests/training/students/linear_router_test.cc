#include "training/students/linear_router.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/plain/transformer/router.h"
#include "tests/training/tiny_model.h"
#include "training/run/random_tensor.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

TEST(LinearRouterTest, TheServedRouterGivesTheProductAndItsGradient) {
  StepRandom random(1, 0, at::kCPU);
  at::Tensor weight = random.Normal({16});
  weight.set_requires_grad(true);
  const at::Tensor x = random.Normal({2, 12, 16});
  const at::Tensor scores = RouterScores(AsServedRouter(weight, 8, 3), x, 3);
  EXPECT_LT((scores - at::matmul(x, weight)).abs().max().item<double>(), 1e-5);
  scores.sum().backward();
  EXPECT_LT((weight.grad() - x.sum(at::IntArrayRef{0, 1})).abs().max().item<double>(), 1e-4);
}

class LinearRoutersTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = std::make_unique<TrainingModel>(LoadTrainingModel(TinyTeacher(), at::kCPU).value());
  }
  std::unique_ptr<VideodiffcrStudent> Make(const VideodiffcrOptions& options) {
    return VideodiffcrStudent::Make(options, TinyTeacher(), 1, *model_).value();
  }
  // Squared distance of a pass over noise to the dense one.
  double Error(const Student& student, RetentionTenths budget) {
    const c10::NoGradGuard no_gradients;
    StepRandom random(4, 0, at::kCPU);
    const at::Tensor noise = random.Normal({1, 3, 16, 12, 20});
    const at::Tensor hidden = EncodeCaptions(*model_, {"a large red circle moves right fast"}).value();
    const auto flow = [&](RetentionTenths of) {
      const auto network = student.Open({of, at::kFloat, {}, {}});
      RolloutState state(model_->config.transformer);
      state.text = network->MakeText(hidden);
      return network->Flow(noise, 1, state, PassKind::kServed);
    };
    return (flow(budget) - flow(kDenseTenths)).square().mean().item<double>();
  }

  std::unique_ptr<TrainingModel> model_;
};

TEST_F(LinearRoutersTest, AFitKeepsWhatBlocksChangeAndItsReverseDoesNot) {
  const auto student = Make({.targets = {0.7}, .router = RouterKind::kLinear});
  const double fitted = Error(*student, 7);
  const WeightRow row = student->Parameters()[1].rows[0];
  ASSERT_EQ(row.name, "router.weight");
  row.destination->neg_();
  EXPECT_LT(fitted, 0.8 * Error(*student, 7));
}

// The rows of the paper's Table 2, by what is left out.
TEST_F(LinearRoutersTest, WithoutStepDeltasABlockKeepsTheSameInEveryStep) {
  const auto student =
      Make({.targets = {0.5}, .fresh_routers = true, .router = RouterKind::kLinear, .step_deltas = false});
  EXPECT_EQ(student->ProjectedTable(5).tenths[0], (std::vector<int>{6, 6, 6, 6, 6}));
  const StudentExport result = student->Export();
  EXPECT_EQ(result.config->retention.step_delta_tenths, (std::vector<int>{0, 0, 0, 0}));
  const absl::StatusOr<ModelConfig> read = ParseModelConfig(FormatModelConfig(*result.config));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->retention.tables[0].tenths, student->ProjectedTable(5).tenths);
}

TEST_F(LinearRoutersTest, RatiosThatAreNotLearnedStayATableFromTheFirstUpdateOn) {
  const auto student = Make({.targets = {0.5}, .initial_ratios = {0.7, 0.4}, .learn_ratios = false});
  for (const int64_t update : {0, 10, 50, 90}) EXPECT_EQ(student->Rates({update, 100, 1e-4})[3].learning_rate, 0);
  EXPECT_EQ(student->ProjectedTable(5).tenths[0].back(), 7) << "as they are, not moved to the target";
  EXPECT_FALSE(student->Penalty({50, 100, 1e-4}, 5).defined());
  EXPECT_GT(student->Rates({50, 100, 1e-4})[0].learning_rate, 0) << "the weights are trained";
}

}  // namespace
}  // namespace videodiffcr::training
