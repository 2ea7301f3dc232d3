// Rollouts whose passes without gradients run on the kernels that serve, against the plain path: clips from the
// same noise, up to the rounding of bf16, and their gradients.
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/rollout/served_passes.h"
#include "tests/training/tiny_model.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/stages/self_rollout.h"
#include "training/students/routed_student.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

const at::Device kGpu(at::kCUDA, 0);

enum Way {
  kExact,   // plain, in fp32
  kPlain,   // in bf16
  kServed,  // on the kernels
};

struct Trained {
  at::Tensor clips;
  std::vector<at::Tensor> gradients;
};

double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

double Cosine(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double dot = 0, of_a = 0, of_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined() || !b[i].defined()) continue;
    dot += (a[i] * b[i]).sum().item<double>();
    of_a += a[i].square().sum().item<double>();
    of_b += b[i].square().sum().item<double>();
  }
  return dot / std::sqrt(of_a * of_b);
}

class ServedRolloutTest : public testing::TestWithParam<RopePositions> {
 protected:
  ServedRolloutTest() {
    EXPECT_TRUE(LoadRouters(TinyModel(), model_.get()).ok());
    model_->config.transformer.rope_positions = model_->transformer.config.rope_positions = GetParam();
  }

  // `recompute`: the trained passes' blocks in backward.
  Trained Run(Student& student, RetentionTenths budget, size_t exit_step, Way way, bool recompute = true) {
    model_->recompute_blocks = recompute;
    std::vector<WeightRow> rows;
    for (const ParameterGroup& group : student.Parameters()) {
      rows.insert(rows.end(), group.rows.begin(), group.rows.end());
    }
    for (const WeightRow& row : rows) {
      row.destination->mutable_grad() = at::Tensor();
      row.destination->set_requires_grad(true);
    }
    StepRandom random(5, 0, kGpu);
    const at::Tensor hidden = EncodeCaptions(*model_, {"a large red circle moves right fast", "a star"}).value();
    const at::Tensor probe = StepRandom(6, 0, kGpu).Normal({2, 12, 16, 12, 20});
    RolloutPurpose purpose = {budget, way == kExact ? at::kFloat : at::kBFloat16, UpdateMoment{500, 1000, 1e-4}, {}};
    purpose.on_kernels = way == kServed;
    const RolloutPlan plan = {4, 4, exit_step};
    Trained trained;
    // The network is gone when gradients are made, as in training.
    trained.clips = SelfRollout(*student.Open(purpose), model_->config.transformer, model_->schedule, plan,
                                PassKind::kTrained, hidden, 2, random);
    (trained.clips * probe).sum().backward();
    for (const WeightRow& row : rows) trained.gradients.push_back(row.destination->grad());
    return trained;
  }

  const std::unique_ptr<TrainingModel> model_ =
      std::make_unique<TrainingModel>(LoadTrainingModel(TinyModel(), kGpu).value());
};

// The yardstick is the plain path in fp32. Both round to bf16, in other places.
TEST_P(ServedRolloutTest, IsAboutAsNearToThePlainPathInFp32AsThatIsInBf16) {
  RoutedStudent student(*model_, 0);
  for (const size_t exit_step : {0u, 1u, 3u}) {
    const Trained exact = Run(student, kDenseTenths, exit_step, kExact);
    const Trained rounded = Run(student, kDenseTenths, exit_step, kPlain);
    const Trained served = Run(student, kDenseTenths, exit_step, kServed);
    const double difference = RelativeDifference(served.clips, exact.clips);
    EXPECT_LT(difference, 2 * RelativeDifference(rounded.clips, exact.clips)) << exit_step;
    EXPECT_LT(difference, 0.1) << exit_step;
    EXPECT_GT(Cosine(served.gradients, exact.gradients), 0.98) << exit_step;
  }
}

// Keys that a graph has seen stay as they were, whether it holds a block's input or all that came of it.
TEST_P(ServedRolloutTest, GradientsAreTheSameWhetherBlocksAreComputedAgainOrKept) {
  RoutedStudent student(*model_, 0);
  const Trained again = Run(student, kDenseTenths, 2, kServed, true),
                kept = Run(student, kDenseTenths, 2, kServed, false);
  EXPECT_TRUE(again.clips.equal(kept.clips));
  EXPECT_GT(Cosine(again.gradients, kept.gradients), 0.99999);
}

// Where two tokens are ranked alike another one may be kept, in any type but the exact one, and from there on clips
// part.
void ExpectNear(const Trained& served, const Trained& rounded, const Trained& exact, const Trained& other_budget) {
  const double difference = RelativeDifference(served.clips, exact.clips);
  EXPECT_LT(difference, 1.5 * RelativeDifference(rounded.clips, exact.clips));
  EXPECT_LT(difference, 0.6 * RelativeDifference(other_budget.clips, exact.clips));
  EXPECT_GT(Cosine(served.gradients, exact.gradients), Cosine(rounded.gradients, exact.gradients) - 0.05);
}

TEST_P(ServedRolloutTest, RoutedClipsStayNearThoseOfThePlainPath) {
  RoutedStudent student(*model_, 1);
  ExpectNear(Run(student, 7, 2, kServed), Run(student, 7, 2, kPlain), Run(student, 7, 2, kExact),
             Run(student, 5, 2, kExact));
}

TEST_P(ServedRolloutTest, VideodiffcrLearnsItsRatiosFromThem) {
  const auto student = VideodiffcrStudent::Make({.targets = {0.7, 0.5}}, TinyModel(), 1, *model_).value();
  ExpectNear(Run(*student, 7, 1, kServed), Run(*student, 7, 1, kPlain), Run(*student, 7, 1, kExact),
             Run(*student, 5, 1, kExact));
}

INSTANTIATE_TEST_SUITE_P(Positions, ServedRolloutTest,
                         testing::Values(RopePositions::kAbsolute, RopePositions::kWindowRelative));

class ServedPassesTest : public testing::Test {
 protected:
  std::unique_ptr<ServedPasses> Make(RopePositions positions, int64_t clips) {
    ServedNetwork network;
    network.config = model_.config.transformer;
    network.config.rope_positions = positions;
    network.schedule = model_.schedule;
    network.weights = model_.transformer.weights;
    const at::Tensor text = EncodeCaptions(model_, {"a star"}).value();
    return MakeServedPasses(network, text.repeat({clips, 1, 1})).value();
  }
  at::Tensor Latents(int64_t clips) { return StepRandom(5, 0, kGpu).Normal({clips, 3, 16, 12, 20}); }

  const c10::NoGradGuard no_gradients_;
  const TrainingModel model_ = LoadTrainingModel(TinyModel(), kGpu).value();
};

TEST_F(ServedPassesTest, ACacheOfRotatedKeysIsAViewOfThePool) {
  const auto passes = Make(RopePositions::kAbsolute, 2);
  KvCache cache(model_.config.transformer);
  for (int chunk = 0; chunk < 3; ++chunk) cache.Append(passes->ContextKeys(Latents(2)));
  const auto again = Make(RopePositions::kAbsolute, 2);
  const std::vector<KeysValues> first = again->ContextKeys(Latents(2));
  EXPECT_TRUE(cache.past().back().k.narrow(1, 0, first.back().k.size(1)).equal(first.back().k));
  EXPECT_GT(cache.past().back().k.stride(0), cache.past().back().k.size(1) * cache.past().back().k.stride(1));
}

// More clips than are worth one pass are as those that are not.
TEST_F(ServedPassesTest, ManyClipsAreMadeInSeveralPasses) {
  const int64_t many = 18;
  const at::Tensor latents = Latents(1).repeat({many, 1, 1, 1, 1});
  const at::Tensor flow = Make(RopePositions::kWindowRelative, many)->Flow(latents, 1);
  EXPECT_LT(RelativeDifference(flow.narrow(0, many - 1, 1), flow.narrow(0, 0, 1)), 1e-2);
}

TEST_F(ServedPassesTest, AClipEndsWithItsWindow) {
  const auto passes = Make(RopePositions::kWindowRelative, 1);
  for (int chunk = 0; chunk < 4; ++chunk) passes->ContextKeys(Latents(1));
  EXPECT_ANY_THROW(passes->Flow(Latents(1), 0));
}

TEST_F(ServedPassesTest, ASizeThatKernelsDoNotKnowIsRefusedByItsName) {
  TransformerConfig config = model_.config.transformer;
  EXPECT_TRUE(CheckServedPasses(config, kGpu).ok());
  EXPECT_FALSE(CheckServedPasses(config, at::kCPU).ok());
  config.dim = 191;
  EXPECT_THAT(std::string(CheckServedPasses(config, kGpu).message()), HasSubstr("transformer.dim 191"));
}

}  // namespace
}  // namespace videodiffcr::training
