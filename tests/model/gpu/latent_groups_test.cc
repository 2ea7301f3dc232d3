#include "model/gpu/decoder/latent_groups.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

// Of `frames` latent frames: "first frame+count at the frame of pixels", "!" for a scene's first alone.
std::vector<std::string> Groups(int64_t frames, bool first_alone) {
  const at::Tensor latents = at::arange(frames, at::kFloat).view({frames, 1});
  const at::Tensor pixels = at::zeros({kFramesPerLatent * frames, 5});
  std::vector<std::string> groups;
  ForEachLatentGroup(latents, first_alone, pixels, [&](const at::Tensor& group, bool alone, const float* out) {
    groups.push_back(absl::StrCat(group[0].item<float>(), "+", group.size(0), " at ",
                                  (out - pixels.const_data_ptr<float>()) / pixels.stride(0), alone ? "!" : ""));
  });
  return groups;
}

TEST(LatentGroupsTest, ThreeGoTogetherAndTheRestBehindThem) {
  EXPECT_THAT(Groups(7, false), ElementsAre("0+3 at 0", "3+3 at 12", "6+1 at 24"));
  EXPECT_THAT(Groups(2, false), ElementsAre("0+2 at 0"));
}

TEST(LatentGroupsTest, TheFirstOfASceneGoesAloneAndBecomesOneFrame) {
  EXPECT_THAT(Groups(6, true), ElementsAre("0+1 at 0!", "1+3 at 1", "4+2 at 13"));
  EXPECT_THAT(Groups(1, true), ElementsAre("0+1 at 0!"));
}

}  // namespace
}  // namespace videodiffcr
