#include "training/stages/teacher_forcing.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "model/plain/transformer/kv_cache.h"
#include "tests/training/tiny_model.h"
#include "training/model/block_feed.h"
#include "training/model/training_model.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

class TeacherForcingTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_.emplace(LoadTrainingModel(TinyModel(), at::kCPU).value());
    StepRandom random(3, 0, at::kCPU);
    input_.clean = random.Normal({1, 12, 16, 12, 20});
    input_.noisy = random.Normal({1, 12, 16, 12, 20});
    input_.timesteps = at::tensor(std::vector<float>{900, 100, 500, 700}).unsqueeze(0);
    input_.text = EncodeCaptions(*model_, {"a red star", "a blue circle", "a star", "a square"}).value();
  }

  at::Tensor Flow() const { return TeacherForcingFlow(model_->transformer, *FeedBlocks(model_->transformer), input_); }

  c10::NoGradGuard no_gradients_;
  std::optional<TrainingModel> model_;
  TeacherForcingInput input_;
};

TEST_F(TeacherForcingTest, GivesTheFlowsThatServingWithACacheGives) {
  const at::Tensor flow = Flow();
  const TextKeys keys = MakeTextKeys(model_->transformer, input_.text);
  KvCache cache(model_->config.transformer);
  for (int64_t chunk = 0; chunk < 4; ++chunk) {
    PassInput pass;
    pass.latents = input_.noisy.narrow(1, 3 * chunk, 3);
    pass.timesteps = at::full({1, 3}, input_.timesteps[0][chunk].item<double>(), at::TensorOptions(at::kDouble));
    pass.first_frame = 3 * chunk;
    const TextKeys text = KeysOfChunk(keys, 1, chunk);
    pass.text = &text;
    pass.past = cache.past();
    const at::Tensor served = RunPass(model_->transformer, pass).flow;
    EXPECT_LT((served - flow.narrow(1, 3 * chunk, 3)).abs().max().item<double>(), 1e-4) << chunk;
    pass.latents = input_.clean.narrow(1, 3 * chunk, 3);
    pass.timesteps = at::zeros({1, 3}, at::TensorOptions(at::kDouble));
    cache.Append(RunPass(model_->transformer, pass).keys);
  }
}

TEST_F(TeacherForcingTest, HidesAChunksOwnCleanCopyAndTheLaterOnes) {
  const at::Tensor before = Flow();
  input_.clean = input_.clean.clone();
  input_.clean.narrow(1, 6, 6).add_(1);  // chunks 2 and 3
  const at::Tensor change = (Flow() - before).abs();
  EXPECT_EQ(change.narrow(1, 0, 9).max().item<double>(), 0);
  EXPECT_GT(change.narrow(1, 9, 3).max().item<double>(), 1e-3) << "chunk 3 sees clean chunk 2";
}

TEST_F(TeacherForcingTest, BlocksThatComeOneByOneGiveTheSameBits) {
  StreamedBlocks blocks(model_->transformer);
  EXPECT_TRUE(TeacherForcingFlow(model_->transformer, blocks, input_).equal(Flow()));
}

TEST(FlowMatchingTest, ShiftsNoiseLevelsAndMasksChunks) {
  EXPECT_NEAR(ShiftedSigma(at::tensor(std::vector<float>{0.75f}), 5)[0].item<double>(), 0.9375, 1e-6);
  at::Tensor error = at::zeros({1, 6, 1, 1, 1});
  error.narrow(1, 0, 3).fill_(2);
  error.narrow(1, 3, 3).fill_(7);
  EXPECT_NEAR(MaskedMeanSquare(error, at::tensor(std::vector<float>{1, 0}).unsqueeze(0), 3).item<double>(), 4, 1e-6);
}

}  // namespace
}  // namespace videodiffcr::training
