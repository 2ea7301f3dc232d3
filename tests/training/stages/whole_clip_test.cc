// Networks that see a clip as a whole, on the shipped tiny model.
#include "training/stages/whole_clip.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/training/tiny_model.h"
#include "training/model/block_feed.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/stages/score_matching.h"

namespace videodiffcr::training {
namespace {

class WholeClipTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_.emplace(LoadTrainingModel(TinyModel(), at::kCPU).value());
    hidden_ = EncodeCaptions(*model_, {"a red star"}).value();
    StepRandom random(3, 0, at::kCPU);
    clip_ = random.Normal({1, 12, 16, 12, 20});
  }

  at::Tensor Flow(const at::Tensor& clip, double timestep, bool recompute = false) const {
    return WholeClipFlow(model_->transformer, *FeedBlocks(model_->transformer), clip, at::full({1}, timestep), hidden_,
                         recompute);
  }

  std::optional<TrainingModel> model_;
  at::Tensor hidden_, clip_;
};

TEST_F(WholeClipTest, TheFirstChunkAloneIsWhatServingPredictsOfIt) {
  const c10::NoGradGuard no_gradients;
  PassInput pass;
  pass.latents = clip_.narrow(1, 0, 3);
  pass.timesteps = at::full({1, 3}, 700.0, at::TensorOptions(at::kDouble));
  const TextKeys text = MakeTextKeys(model_->transformer, hidden_);
  pass.text = &text;
  const at::Tensor served = RunPass(model_->transformer, pass).flow;
  EXPECT_TRUE(Flow(pass.latents, 700).equal(served));
}

// With a causal network the first chunk would not know of the last one.
TEST_F(WholeClipTest, TheFirstFramesSeeTheLast) {
  const c10::NoGradGuard no_gradients;
  at::Tensor other = clip_.clone();
  other.narrow(1, 9, 3).zero_();
  const at::Tensor difference = (Flow(clip_, 500) - Flow(other, 500)).narrow(1, 0, 3).abs();
  EXPECT_GT(difference.max().item<double>(), 1e-3);
}

TEST_F(WholeClipTest, BlocksThatComeOneByOneGiveTheSameBits) {
  const c10::NoGradGuard no_gradients;
  StreamedBlocks blocks(model_->transformer);
  const at::Tensor flow =
      WholeClipFlow(model_->transformer, blocks, clip_, at::full({1}, 500.0), hidden_, /*recompute=*/false);
  EXPECT_TRUE(flow.equal(Flow(clip_, 500)));
}

TEST_F(WholeClipTest, GradientsOfRecomputedBlocksAreTheSameBitForBit) {
  at::Tensor& weight = model_->transformer.weights.blocks[0].ffn_in.weight;
  const auto gradient = [&](bool recompute) {
    weight.mutable_grad() = at::Tensor();
    weight.set_requires_grad(true);
    Flow(clip_, 500, recompute).square().sum().backward();
    return weight.grad();
  };
  const at::Tensor whole = gradient(false);
  EXPECT_GT(whole.abs().max().item<double>(), 0);
  EXPECT_TRUE(gradient(true).equal(whole));
}

TEST_F(WholeClipTest, ScoresOfWholeClipsLearn) {
  const ScoreMatchingOptions options = {.critic_learning_rate = 1e-4, .guidance = 3, .whole_clip = true};
  ScoreMatching scores(*model_, ScoresLike(*model_, model_->transformer), EncodeCaptions(*model_, {""}).value(),
                       options);
  const ScoredClips scored = {clip_, hidden_.repeat({4, 1, 1})};
  const at::Tensor mask = at::ones({1, 4});
  const auto loss = [&] {
    StepRandom same(2, 0, at::kCPU);
    return scores.LearnFakeScore(scored, mask, 1, same);
  };
  const double before = loss();
  ASSERT_TRUE(scores.UpdateFakeScore(0).ok());
  for (int64_t update = 1; update < 4; ++update) {
    loss();
    ASSERT_TRUE(scores.UpdateFakeScore(update).ok());
  }
  EXPECT_LT(loss(), before);
  StepRandom random(2, 0, at::kCPU);
  EXPECT_GT(scores.Loss(scored, mask, random).item<double>(), 0);
}

}  // namespace
}  // namespace videodiffcr::training
