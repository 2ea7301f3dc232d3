#include "training/model/dense_rollout.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/training/tiny_model.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kChunks = 2;

class DenseRolloutTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = std::make_unique<TrainingModel>(LoadTrainingModel(TinyModel(), at::kCPU).value());
    hidden_ = EncodeCaptions(*model_, {"a large red circle moves right fast", "a blue star orbits"}).value();
  }
  size_t steps() const { return model_->schedule.sigmas.size(); }

  // What the plain sampler makes of the same noise, chunk by chunk.
  std::vector<at::Tensor> LatentsOfSampler() {
    const c10::NoGradGuard no_gradients;
    StepRandom random(3, 0, at::kCPU);
    const TransformerConfig& config = model_->config.transformer;
    SamplerOptions options;
    options.schedule = model_->schedule;
    RolloutState state(config);
    state.text = MakeTextKeys(model_->transformer, hidden_);
    std::vector<at::Tensor> latents;
    for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
      ChunkNoise noise;
      for (size_t step = 0; step < steps(); ++step) {
        noise.push_back(
            random.Normal({2, config.chunk_frames, config.in_dim, config.latent_height, config.latent_width}));
      }
      latents.push_back(SampleChunk(model_->transformer, options, {}, noise, &state).latents);
    }
    return latents;
  }

  std::unique_ptr<TrainingModel> model_;
  at::Tensor hidden_;
};

TEST_F(DenseRolloutTest, MakesWhatTheSamplerMakesOfTheSameNoise) {
  StepRandom random(3, 0, at::kCPU);
  std::vector<at::Tensor> latents;
  RollOutDense(*model_, hidden_, kChunks, random, [&](const at::Tensor& x, size_t step, const RolloutState& state) {
    const at::Tensor flow = RunPass(model_->transformer, MakePass(x, model_->schedule.timesteps[step], {}, state)).flow;
    if (step + 1 == steps()) latents.push_back(FlowToX0(flow, x, model_->schedule.sigmas[step]));
    return flow;
  });
  const std::vector<at::Tensor> expected = LatentsOfSampler();
  ASSERT_EQ(latents.size(), expected.size());
  for (size_t chunk = 0; chunk < latents.size(); ++chunk) EXPECT_TRUE(latents[chunk].equal(expected[chunk])) << chunk;
}

TEST_F(DenseRolloutTest, ShowsTheStreamOfEveryPassBeforeEachBlockAndBehindTheLast) {
  StepRandom random(3, 0, at::kCPU);
  ResidualStream first;
  size_t passes = 0;
  VisitDensePasses(*model_, hidden_, kChunks, random, [&](const ResidualStream& stream) {
    ASSERT_EQ(stream.size(), model_->transformer.weights.blocks.size() + 1);
    EXPECT_FALSE(c10::GradMode::is_enabled());
    if (++passes == 1) first = stream;
  });
  EXPECT_EQ(passes, steps() * kChunks);

  const c10::NoGradGuard no_gradients;
  RolloutState state(model_->config.transformer);
  state.text = MakeTextKeys(model_->transformer, hidden_);
  const at::Tensor noise = StepRandom(3, 0, at::kCPU).Normal({2, 3, 16, 12, 20});
  const PassInput pass = MakePass(noise, model_->schedule.timesteps[0], {}, state);
  EXPECT_TRUE(first.front().equal(Patchify(model_->transformer, noise)));
  const at::Tensor flow = RunHead(model_->transformer, first.back(), EmbedTime(model_->transformer, pass.timesteps).e);
  EXPECT_TRUE(flow.equal(RunPass(model_->transformer, pass).flow));
}

}  // namespace
}  // namespace videodiffcr::training
