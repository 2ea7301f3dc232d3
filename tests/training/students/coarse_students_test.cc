// The students that see several tokens as one, D2iT and FlexiDiT, on the tiny model.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/training/students/baselines_fixture.h"
#include "training/students/d2it_student.h"
#include "training/students/flexidit_student.h"

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;

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

}  // namespace
}  // namespace videodiffcr::training
