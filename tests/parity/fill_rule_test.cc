#include "parity/fill_rule.h"

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

// golden_checks.md section 1, self-test.
TEST(FillRule, GivesTheValuesOfItsSelfTest) {
  EXPECT_EQ(Fnv1a("patch_embedding.weight"), 0xfe19380fu);
  EXPECT_EQ(Fnv1a("latent"), 0x4f68098bu);
  const double patch[] = {0.789070796, -0.381690720, -0.380202837, 0.348380928};
  const double latent[] = {0.171100956, -0.762098923, -0.952677784, 0.714459982};
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(FillValue(Fnv1a("patch_embedding.weight"), i), patch[i], 1e-9);
    EXPECT_NEAR(FillValue(Fnv1a("latent"), i), latent[i], 1e-9);
  }
}

TEST(FillRule, ChoosesOffsetAndScaleByNameAndShape) {
  const auto first = [](const char* name, const std::vector<int64_t>& shape) {
    return FillWeight(name, shape).flatten()[0].item<double>();
  };
  const auto r = [](const char* name) { return FillValue(Fnv1a(name), 0); };
  EXPECT_NEAR(first("a.norm_q.weight", {2}), 1 + 0.1 * r("a.norm_q.weight"), 1e-6);
  EXPECT_NEAR(first("a.gamma", {2, 1, 1}), 1 + 0.1 * r("a.gamma"), 1e-6);
  EXPECT_NEAR(first("a.bias", {2}), 0.1 * r("a.bias"), 1e-6);
  EXPECT_NEAR(first("head.modulation", {1, 2, 4}), 0.3 * r("head.modulation"), 1e-6);
  EXPECT_NEAR(first("token_embedding.weight", {5, 4}), r("token_embedding.weight"), 1e-6);
  EXPECT_NEAR(first("patch_embedding.weight", {5, 3, 1, 2, 2}), 0.5 * r("patch_embedding.weight"), 1e-6);
}

}  // namespace
}  // namespace videodiffcr
