// Scores and choice of tokens on a GPU against the plain reference: ties, floors, NaN.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/kernels/token_routing.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

TEST(TokenRoutingTest, RouterScoresEqualThePlainOnes) {
  for (const int width : {1, 8, 33, 64}) {
    const int frames = 3, tokens = 3 * 17;
    const at::Tensor channels = at::randn({tokens, width}), bias = at::randn({width}),
                     mix = at::randn({frames, frames, width}), score = at::randn({width}), want = at::empty({tokens});
    const at::Tensor gpu[] = {OnGpu(channels), OnGpu(bias), OnGpu(mix), OnGpu(score)};
    const at::Tensor got = Empty({tokens}, at::kFloat);
    RouterScores(
        {tokens, frames, width, Floats(gpu[0]), Floats(gpu[1]), Floats(gpu[2]), Floats(gpu[3]), MutableFloats(got)},
        TestStream());
    PlainRouterScores(
        {tokens, frames, width, Floats(channels), Floats(bias), Floats(mix), Floats(score), MutableFloats(want)});
    EXPECT_LE(RelativeError(got, want), 1e-5) << "width " << width;
  }
}

TEST(TokenRoutingTest, SelectTokensPicksExactlyThePlainOnes) {
  struct Choice {
    int tokens, kept, floor;
  };
  for (const Choice c : {Choice{6, 1, 0}, Choice{51, 51, 0}, Choice{180, 126, 0}, Choice{180, 90, 20},
                         Choice{4680, 3276, 0}, Choice{4680, 1404, 468}, Choice{16383, 5000, 100}}) {
    for (const bool ties : {false, true}) {
      SCOPED_TRACE(testing::Message() << c.kept << " of " << c.tokens << ", floor " << c.floor << ", ties " << ties);
      const int frames = 3;
      at::Tensor scores = ties ? at::randint(-2, 3, {c.tokens}).to(at::kFloat) : at::randn({c.tokens});
      scores[c.tokens / 2] = std::nanf("");
      scores[0] = -0.0f;
      const at::Tensor gpu_scores = OnGpu(scores), kept = Empty({c.kept}, at::kInt),
                       factor = Empty({c.kept}, at::kFloat), place = Empty({c.tokens}, at::kInt);
      SelectTokens({c.tokens, frames, c.kept, c.floor, Gate::kTwoSigmoid, Floats(gpu_scores),
                    kept.mutable_data_ptr<int32_t>(), MutableFloats(factor), place.mutable_data_ptr<int32_t>()},
                   TestStream());
      const at::Tensor want = at::empty({c.kept}, at::kInt), want_factor = at::empty({c.kept}),
                       want_place = at::empty({c.tokens}, at::kInt);
      PlainSelectTokens({c.tokens, frames, c.kept, c.floor, Gate::kTwoSigmoid, Floats(scores),
                         want.mutable_data_ptr<int32_t>(), MutableFloats(want_factor),
                         want_place.mutable_data_ptr<int32_t>()});
      EXPECT_TRUE(kept.to(at::kCPU).equal(want));
      EXPECT_TRUE(place.to(at::kCPU).equal(want_place));
      EXPECT_TRUE(at::allclose(factor.to(at::kCPU), want_factor, 0, 1e-5, /*equal_nan=*/true));
    }
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
