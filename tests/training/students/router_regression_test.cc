#include "training/students/router_regression.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include "tests/training/tiny_model.h"
#include "training/run/random_tensor.h"
#include "training/students/least_squares.h"

namespace videodiffcr::training {
namespace {

TEST(LeastSquaresTest, ExplainsWhatFollowsFromTheFeaturesAndNothingOfWhatDoesNot) {
  StepRandom random(1, 0, at::kCPU);
  const at::Tensor weights = random.Normal({6}), noise = random.Normal({4000});
  LeastSquares fit(6, at::kCPU), other(6, at::kCPU), nothing(6, at::kCPU);
  const at::Tensor rows = random.Normal({2, 2000, 6});
  fit.Add(rows, at::matmul(rows, weights));
  nothing.Add(rows, noise.view({2, 2000}));
  EXPECT_GT(fit.Explained(fit.Solve()), 0.999);
  const at::Tensor fresh = random.Normal({1000, 6});
  other.Add(fresh, at::matmul(fresh, weights));
  EXPECT_GT(other.Explained(fit.Solve()), 0.999);
  EXPECT_LT(other.Explained(-fit.Solve()), -2) << "a reversed fit is worse than none";
  EXPECT_LT(nothing.Explained(nothing.Solve()), 0.01);
}

TEST(RouterKnowledgeTest, RoutersKnowMuchOfTheUpdateFromTheirTokenAndAViewOfMoreIsAnotherFit) {
  at::set_num_threads(1);
  const TrainingModel model = LoadTrainingModel(TinyModel(), at::kCPU).value();
  const auto knowledge = MeasureRouterKnowledge(model, 1, 2).value();
  ASSERT_EQ(knowledge.size(), 4u);
  EXPECT_EQ(knowledge[0].what, "token");
  EXPECT_EQ(knowledge[3].what, "token, chunk and cache");
  for (const RouterKnowledge& row : knowledge) {
    ASSERT_EQ(row.explained.size(), 6u);
    for (const double share : row.explained) EXPECT_LT(share, 1);
  }
  EXPECT_GT(knowledge[0].explained[0], 0.1);
  EXPECT_NE(knowledge[2].explained, knowledge[0].explained);
}

}  // namespace
}  // namespace videodiffcr::training
