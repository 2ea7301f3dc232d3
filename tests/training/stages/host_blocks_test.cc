// A teacher whose blocks lie in host memory, on a GPU: the same bits as one that lies there, whatever is the slower
// part, computing or copying.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/training/tiny_model.h"
#include "training/model/block_feed.h"
#include "training/model/network_copy.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"
#include "training/stages/score_matching.h"
#include "training/stages/teacher_forcing.h"
#include "training/stages/whole_clip.h"

namespace videodiffcr::training {
namespace {

const at::Device kGpu(at::kCUDA, 0);

// Tiny's latents and text, but blocks of another size, drawn: `dim` 1024 makes them 34 MB each in bf16, whose copy
// takes about as long as their pass of one clip.
DiffusionTransformer Network(int64_t dim, at::ScalarType dtype) {
  DiffusionTransformer network = LoadTransformer(TinyModel(), kGpu, dtype).value();
  if (dim == network.config.dim) return network;
  const int64_t head_dim = network.config.dim / network.config.num_heads;
  network.config.dim = dim;
  network.config.ffn_dim = 4 * dim;
  network.config.num_heads = dim / head_dim;
  network.config.num_layers = 9;
  network.weights = {};
  uint64_t index = 0;
  for (const WeightRow& row : TransformerWeightTable(network.config, &network.weights)) {
    FillNormalWeight(row, 1 / std::sqrt(static_cast<double>(row.shape.back())), /*seed=*/5, index++, kGpu);
    *row.destination = row.destination->to(dtype);
  }
  return network;
}

class HostBlocksTest : public testing::TestWithParam<int64_t> {
 protected:
  HostBlocksTest() {
    StepRandom random(3, 0, kGpu);
    clip_ = random.Normal({2, 12, 16, 12, 20});
    text_ = random.Normal({8, 32, resident_.config.text_dim});
    MoveBlocksToHost(kGpu, &streamed_);
  }

  c10::NoGradGuard no_gradients_;
  const DiffusionTransformer resident_ = Network(GetParam(), at::kBFloat16);
  DiffusionTransformer streamed_ = CloneTransformer(resident_);
  at::Tensor clip_, text_;
};

TEST_P(HostBlocksTest, BlocksAreInPinnedMemoryAndTheRestOnTheDevice) {
  for (const BlockWeights& block : streamed_.weights.blocks) EXPECT_TRUE(block.ffn_in.weight.is_pinned());
  EXPECT_TRUE(streamed_.weights.head.weight.is_cuda());
}

// Passes follow each other without a wait, so that the host is ahead of the device by several of them.
TEST_P(HostBlocksTest, WholeClipsGetTheSameBits) {
  const auto flow = [&](const DiffusionTransformer& network) {
    at::Tensor x = clip_;
    for (int pass = 0; pass < 6; ++pass) {
      x = WholeClipFlow(network, *FeedBlocks(network), x, at::full({2}, 500.0, x.options()), text_.narrow(0, 0, 2),
                        false);
    }
    return x;
  };
  const at::Tensor wanted = flow(resident_);
  EXPECT_GT(wanted.abs().max().item<double>(), 0);
  for (int again = 0; again < 5; ++again) EXPECT_TRUE(flow(streamed_).equal(wanted));
}

TEST_P(HostBlocksTest, WindowsWithTeacherForcingGetTheSameBits) {
  TeacherForcingInput input;
  input.clean = clip_;
  input.noisy = clip_.flip(1);
  input.timesteps = at::tensor(std::vector<float>{900, 100, 500, 700, 20, 300, 600, 999}).view({2, 4}).to(kGpu);
  input.text = text_;
  const at::Tensor wanted = TeacherForcingFlow(resident_, *FeedBlocks(resident_), input);
  for (int again = 0; again < 5; ++again) {
    EXPECT_TRUE(TeacherForcingFlow(streamed_, *FeedBlocks(streamed_), input).equal(wanted));
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, HostBlocksTest, testing::Values(192, 1024));

TEST(HostTeacherTest, AStudentIsLedToTheSamePlace) {
  const TrainingModel model = LoadTrainingModel(TinyModel(), kGpu).value();
  const at::Tensor hidden = EncodeCaptions(model, {"a red star", "a red star", "a red star", "a red star"}).value();
  StepRandom random(1, 0, kGpu);
  const ScoredClips scored = {random.Normal({1, 12, 16, 12, 20}), hidden};
  const auto loss = [&](bool host, bool whole_clip) {
    ScoreNetworks networks = ScoresLike(model, model.transformer);
    if (host) MoveBlocksToHost(model.device, &networks.real);
    const c10::NoGradGuard no_gradients;
    const ScoreMatching scores(model, std::move(networks), EncodeCaptions(model, {""}).value(),
                               {.guidance = 3, .whole_clip = whole_clip});
    StepRandom same(2, 0, kGpu);
    return scores.Loss(scored, at::ones({1, 4}).to(kGpu), same).item<double>();
  };
  EXPECT_EQ(loss(true, true), loss(false, true));
  EXPECT_EQ(loss(true, false), loss(false, false));
}

}  // namespace
}  // namespace videodiffcr::training
