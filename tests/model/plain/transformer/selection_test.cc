#include "model/plain/transformer/selection.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/config/retention_table.h"
#include "parity/fill_rule.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> Kept(const std::vector<float>& scores, int64_t count, int64_t frames = 1, double floor = 0) {
  at::Tensor tensor = at::zeros({1, static_cast<int64_t>(scores.size())});
  for (size_t i = 0; i < scores.size(); ++i) tensor[0][i] = scores[i];
  const at::Tensor kept = SelectTokens(tensor, count, frames, floor);
  return {kept.const_data_ptr<int64_t>(), kept.const_data_ptr<int64_t>() + kept.numel()};
}

// The rule, said once more in the plainest way.
std::vector<int64_t> KeptByHand(const at::Tensor& scores, int64_t count) {
  std::vector<int64_t> order(scores.numel());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const float* const s = scores.const_data_ptr<float>();
  std::sort(order.begin(), order.end(), [s](int64_t a, int64_t b) { return s[a] != s[b] ? s[a] > s[b] : a < b; });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

TEST(Selection, Acceptance4EqualScoresKeepTheLowestNumbers) {
  EXPECT_THAT(Kept({1, 1, 1, 1, 1}, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Kept({0, 2, 0, 2, 0}, 3), ElementsAre(0, 1, 3));
  EXPECT_THAT(Kept({0.0f, -0.0f, 0.0f}, 2), ElementsAre(0, 1));
}

TEST(Selection, Acceptance4KeptTokensAre468PerTenthAndNested) {
  const at::Tensor scores = FillUniform("scores", {1, 4680});
  std::set<int64_t> smaller;
  for (int tenths = 1; tenths <= 10; ++tenths) {
    const at::Tensor kept = SelectTokens(scores, KeptRows(tenths, 4680));
    ASSERT_EQ(kept.size(1), 468 * tenths);
    const std::vector<int64_t> numbers(kept.const_data_ptr<int64_t>(), kept.const_data_ptr<int64_t>() + kept.numel());
    EXPECT_EQ(numbers, KeptByHand(scores, kept.numel()));
    const std::set<int64_t> larger(numbers.begin(), numbers.end());
    EXPECT_TRUE(std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end()));
    smaller = larger;
  }
}

TEST(Selection, Acceptance4CpuAndCudaAgreeTiesIncluded) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
  const at::Tensor scores = (FillUniform("scores", {2, 4680}) * 50).round();  // some hundred tokens per score
  const at::Tensor on_cpu = SelectTokens(scores, 2340, 3, 0.5);
  EXPECT_TRUE(on_cpu.equal(SelectTokens(scores.to(at::kCUDA), 2340, 3, 0.5).cpu()));
}

TEST(Selection, NotANumberRanksLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Kept({nan, -5, nan, 3}, 3), ElementsAre(0, 1, 3));
}

TEST(Selection, EachRowOfABatchIsRankedOnItsOwn) {
  at::Tensor scores = at::zeros({2, 3});
  scores[0][2] = 1;
  scores[1][1] = 1;
  const at::Tensor kept = SelectTokens(scores, 1);
  EXPECT_EQ(kept[0][0].item<int64_t>(), 2);
  EXPECT_EQ(kept[1][0].item<int64_t>(), 1);
}

TEST(Selection, FrameFloorKeepsTheBestOfEachFrameAndTheExactCount) {
  // Three frames of four tokens; the first frame would take everything.
  const std::vector<float> scores = {9, 8, 7, 6, 1, 2, 0, 0, 0, 0, 0, 3};
  EXPECT_THAT(Kept(scores, 6), ElementsAre(0, 1, 2, 3, 5, 11));
  EXPECT_THAT(Kept(scores, 6, 3, 0.5), ElementsAre(0, 1, 2, 3, 5, 11));  // one each is there already
  EXPECT_THAT(Kept(scores, 6, 3, 1.0), ElementsAre(0, 1, 4, 5, 8, 11));  // two each
  EXPECT_THAT(Kept(scores, 3, 3, 1.0), ElementsAre(0, 5, 11));
  EXPECT_THAT(Kept(scores, 2, 3, 1.0), ElementsAre(0, 1)) << "fewer kept than frames: nothing is certain";
}

TEST(Selection, FrameFloorRowsAreRoundedDown) {
  static_assert(FrameFloorRows(0.5, 42, 3) == 7);
  static_assert(FrameFloorRows(0.5, 41, 3) == 6);
  static_assert(FrameFloorRows(0.0, 42, 3) == 0);
}

}  // namespace
}  // namespace videodiffcr
