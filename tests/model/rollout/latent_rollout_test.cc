// Rollouts on the path that serves, and what one sees of them, against the plain path.
#include "model/rollout/latent_rollout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "model/load/model_folder.h"
#include "model/plain/rollout/few_step_sampler.h"

namespace videodiffcr {
namespace {

std::string TinyModel() { return std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny"; }

std::unique_ptr<LatentRollout> Open(int threads) {
  LatentRolloutOptions options;
  options.model_folder = TinyModel();
  options.threads = threads;
  return CreateLatentRollout(options).value();
}

std::vector<RolloutClip> TwoClips() {
  at::manual_seed(3);
  return {{at::randn({5, 128}), 11}, {at::randn({32, 128}), 12}};
}

// [chunk][pass] of every chunk that `rollout` makes of `clips`.
struct Seen {
  std::vector<at::Tensor> latents;
  std::vector<std::vector<at::Tensor>> streams;
};
Seen Watch(LatentRollout& rollout, const std::vector<RolloutClip>& clips, RetentionTenths budget, bool look) {
  Seen seen;
  EXPECT_TRUE(rollout.Begin(clips).ok());
  for (int64_t chunk = 0; chunk < 2; ++chunk) {
    std::vector<at::Tensor>& streams = seen.streams.emplace_back();
    const OnPass on_pass = [&](const ObservedPass& pass) {
      EXPECT_EQ(pass.chunk, chunk);
      EXPECT_EQ(pass.step, static_cast<int>(streams.size()));
      streams.push_back(pass.stream.clone());
      return absl::OkStatus();
    };
    seen.latents.push_back(rollout.NextChunk(budget, look ? on_pass : OnPass()).value());
  }
  return seen;
}

// The dense network of tiny, pass by pass on the plain path: what each block reads.
Seen PlainRun(const RolloutClip& clip) {
  const c10::NoGradGuard no_gradients;
  const ModelConfig config = LoadModelConfig(TinyModel()).value();
  const DiffusionTransformer model = {config.transformer, LoadTransformerOf(TinyModel(), config, {}).value()};
  const StepSchedule schedule = *MakeStepSchedule(config.sampling);
  RolloutState state(config.transformer);
  state.text = MakeTextKeys(model, clip.text.unsqueeze(0));
  Seen seen;
  for (int64_t chunk = 0; chunk < 2; ++chunk) {
    const ChunkNoise noise = DrawChunkNoise(model, clip.seed, chunk, static_cast<int64_t>(schedule.sigmas.size()));
    at::Tensor x = noise[0], clean;
    seen.streams.emplace_back();
    for (size_t step = 0; step < schedule.sigmas.size(); ++step) {
      std::vector<at::Tensor> stream;
      PassInput pass = MakePass(x, schedule.timesteps[step], {}, state);
      pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& in) {
        if (index == 0) stream.push_back(in[0]);
        BlockOutput block = DenseBlock(model.weights.blocks[index], context, in);
        stream.push_back(block.x[0]);
        return block;
      };
      clean = FlowToX0(RunPass(model, pass).flow, x, schedule.sigmas[step]);
      seen.streams.back().push_back(at::stack(stream));
      if (step + 1 < noise.size()) x = AddNoise(clean, noise[step + 1], schedule.sigmas[step + 1]);
    }
    seen.latents.push_back(clean[0]);
    state.cache.Append(RunPass(model, MakePass(clean, 0.0f, {}, state)).keys);
  }
  return seen;
}

double LargestDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(LatentRolloutTest, ShowsWhatEachBlockReadsAsThePlainPathHasIt) {
  const std::vector<RolloutClip> clips = TwoClips();
  const Seen served = Watch(*Open(2), clips, kDenseTenths, true);
  for (size_t clip = 0; clip < clips.size(); ++clip) {
    const Seen plain = PlainRun(clips[clip]);
    for (size_t chunk = 0; chunk < 2; ++chunk) {
      EXPECT_LT(LargestDifference(served.latents[chunk][static_cast<int64_t>(clip)], plain.latents[chunk]), 1e-3);
      ASSERT_EQ(served.streams[chunk].size(), plain.streams[chunk].size());
      for (size_t pass = 0; pass < plain.streams[chunk].size(); ++pass) {
        const at::Tensor of_clip = served.streams[chunk][pass].select(1, static_cast<int64_t>(clip));
        ASSERT_EQ(of_clip.sizes(), plain.streams[chunk][pass].sizes());
        EXPECT_LT(LargestDifference(of_clip, plain.streams[chunk][pass]), 5e-3) << "chunk " << chunk << ", " << pass;
      }
    }
  }
}

TEST(LatentRolloutTest, NeitherThreadsNorNeighboursNorLookingChangeABit) {
  const std::vector<RolloutClip> clips = TwoClips();
  for (const RetentionTenths budget : {kDenseTenths, 7}) {
    const Seen two = Watch(*Open(2), clips, budget, true);  // a clip on each lane
    const auto rollout = Open(2);
    const Seen alone = Watch(*rollout, {clips[1]}, budget, true);  // both lanes share it
    const Seen unseen = Watch(*rollout, {clips[1]}, budget, false);
    const Seen one_lane = Watch(*Open(1), {clips[1]}, budget, true);
    for (size_t chunk = 0; chunk < 2; ++chunk) {
      EXPECT_TRUE(two.latents[chunk][1].equal(alone.latents[chunk][0]));
      EXPECT_TRUE(unseen.latents[chunk].equal(alone.latents[chunk]));
      EXPECT_TRUE(one_lane.latents[chunk].equal(alone.latents[chunk]));
      for (size_t pass = 0; pass < 4; ++pass) {
        EXPECT_TRUE(two.streams[chunk][pass].select(1, 1).equal(alone.streams[chunk][pass].select(1, 0)));
        EXPECT_TRUE(one_lane.streams[chunk][pass].equal(alone.streams[chunk][pass]));
      }
    }
  }
}

TEST(LatentRolloutTest, TheFirstErrorOfWhoLooksEndsTheChunk) {
  const auto rollout = Open(1);
  ASSERT_TRUE(rollout->Begin({TwoClips()[0]}).ok());
  int calls = 0;
  const auto chunk = rollout->NextChunk(kDenseTenths, [&](const ObservedPass&) {
    return ++calls == 2 ? absl::CancelledError("seen enough") : absl::OkStatus();
  });
  EXPECT_EQ(chunk.status().message(), "seen enough");
  EXPECT_EQ(calls, 2);
}

TEST(LatentRolloutTest, WhatDoesNotFitIsNamed) {
  const auto rollout = Open(2);
  EXPECT_EQ(rollout->most_clips(), 2);
  EXPECT_FALSE(rollout->Begin({}).ok());
  EXPECT_FALSE(rollout->Begin(std::vector<RolloutClip>(3, TwoClips()[0])).ok());
  EXPECT_EQ(rollout->Begin({{at::randn({33, 128}), 1}}).message(), "text of clip 0: must be 1 to 32 rows of 128");
  ASSERT_TRUE(rollout->Begin({TwoClips()[0]}).ok());
  EXPECT_THAT(std::string(rollout->NextChunk(4, {}).status().message()), testing::HasSubstr("budget 4 tenths"));
  EXPECT_THAT(std::string(CreateLatentRollout({.model_folder = TinyModel(), .device = "tpu"}).status().message()),
              testing::HasSubstr("must be cpu or cuda"));
  EXPECT_FALSE(CreateLatentRollout({.model_folder = "/no/such/folder"}).ok());
}

}  // namespace
}  // namespace videodiffcr
