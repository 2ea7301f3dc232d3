#include "training/evaluation/plain_sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "tests/training/tiny_model.h"
#include "training/evaluation/clip_source.h"

namespace videodiffcr::training {
namespace {

std::vector<ClipRequest> Requests(RetentionTenths budget) {
  return {{{{0, "a large red circle moves right fast"}}, 5, budget, 2},
          {{{0, "a small yellow star bounces fast on a black plain background"}}, 6, budget, 2}};
}

class PlainSamplerTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  const PlainSampler sampler_ = PlainSampler::Load(TinyModel(), at::kCPU).value();
};

TEST_F(PlainSamplerTest, MakesTheFramesThatServingMakes) {
  const auto served = CreateVideoModel({TinyModel(), "cpu", 1});
  ASSERT_TRUE(served.ok()) << served.status();
  for (const RetentionTenths budget : {10, 7}) {
    const at::Tensor plain = sampler_.Generate(Requests(budget), TokenRanking::kRouter, 1).value();
    const at::Tensor of_server = MakeClips(ServedClips(**served, sampler_.config()), {}, Requests(budget)).value();
    ASSERT_EQ(plain.sizes(), of_server.sizes());
    // Rounding may fall the other way, a step of 255; were other tokens kept, pixels would differ by far more.
    EXPECT_LT((plain - of_server).abs().max().item<double>(), 1.5 / 255) << budget;
  }
}

TEST(PlainSamplerCacheTest, KeepsOfTheCacheWhatServingKeepsByEveryScore) {
  at::set_num_threads(1);
  std::vector<at::Tensor> by_score;
  for (const auto& [score, name] : CacheScoreNames()) {
    // Drawn keys are poor ones: with routed blocks, too, a router's near-tie may fall the other way in one of the two.
    std::vector<ClipRequest> requests = Requests(score == CacheScore::kRandom ? 10 : 7);
    for (ClipRequest& request : requests) request.chunks = 4;
    const CacheRetention cache = UniformCacheRetention(score, 25, {10, 9, 8, 7});
    const PlainSampler sampler = PlainSampler::Load(TinyModel(), at::kCPU, std::nullopt, cache).value();
    VideoModelOptions options;
    options.model_folder = TinyModel();
    options.threads = 1;
    options.cache_retention = cache;
    const auto served = CreateVideoModel(options);
    ASSERT_TRUE(served.ok()) << served.status();
    const at::Tensor plain = sampler.Generate(requests, TokenRanking::kRouter, 1).value();
    const at::Tensor of_server = MakeClips(ServedClips(**served, sampler.config()), {}, requests).value();
    EXPECT_LT((plain - of_server).abs().max().item<double>(), 1.5 / 255) << name;
    for (const at::Tensor& other : by_score) EXPECT_FALSE(plain.equal(other)) << name;
    by_score.push_back(plain);
  }
}

TEST_F(PlainSamplerTest, RanksTokensAsItIsTold) {
  const std::vector<ClipRequest> requests = Requests(7);
  const at::Tensor by_router = sampler_.Generate(requests, TokenRanking::kRouter, 1).value();
  const at::Tensor by_chance = sampler_.Generate(requests, TokenRanking::kRandom, 1).value();
  const at::Tensor by_oracle = sampler_.Generate(requests, TokenRanking::kUpdateNorm, 1).value();
  EXPECT_TRUE(by_chance.equal(sampler_.Generate(requests, TokenRanking::kRandom, 1).value()));
  EXPECT_FALSE(by_chance.equal(sampler_.Generate(requests, TokenRanking::kRandom, 2).value()));
  EXPECT_FALSE(by_chance.equal(by_router));
  EXPECT_FALSE(by_oracle.equal(by_router));
}

// Were they drawn by place in the batch, every batch would see the same few masks.
TEST_F(PlainSamplerTest, RandomScoresAreTheClipsOwnWhereverItStandsInABatch) {
  const std::vector<ClipRequest> requests = Requests(7);
  const at::Tensor both = sampler_.Generate(requests, TokenRanking::kRandom, 1).value();
  const at::Tensor alone = sampler_.Generate({requests[1]}, TokenRanking::kRandom, 1).value();
  EXPECT_LT((both.narrow(0, 1, 1) - alone).abs().max().item<double>(), 1.5 / 255);
}

TEST_F(PlainSamplerTest, ARankingThatRemembersKeepsOtherTokensAndLeavesDensePassesAlone) {
  for (const TokenMemoryOptions& memory : {TokenMemoryOptions{.hysteresis = 1}, TokenMemoryOptions{.anchor = 1}}) {
    PlainSampler remembering = sampler_;
    remembering.set_memory(memory);
    for (const RetentionTenths budget : {7, kDenseTenths}) {
      std::vector<ClipRequest> requests = Requests(budget);
      for (ClipRequest& request : requests) request.chunks = 2;
      const at::Tensor frames = remembering.Generate(requests, TokenRanking::kRouter, 1).value();
      const at::Tensor plain = sampler_.Generate(requests, TokenRanking::kRouter, 1).value();
      EXPECT_EQ(frames.equal(plain), budget == kDenseTenths) << memory.hysteresis << " " << budget;
    }
  }
}

TEST(RandomScoresTest, DependOnTheirClipAndCallAlone) {
  const at::Tensor scores = RandomScores(1, {5, 6, 7}, 0, 180);
  EXPECT_TRUE(scores.narrow(0, 2, 1).equal(RandomScores(1, {7}, 0, 180)));
  EXPECT_FALSE(scores[0].equal(scores[1]));
  EXPECT_FALSE(scores.equal(RandomScores(1, {5, 6, 7}, 1, 180)));
  EXPECT_FALSE(scores.equal(RandomScores(2, {5, 6, 7}, 0, 180)));
  EXPECT_NEAR(scores.mean().item<double>(), 0.5, 0.05);
}

TEST_F(PlainSamplerTest, ShowsEachKeptChunkAsItIsMade) {
  std::vector<ClipRequest> requests = Requests(7);
  for (ClipRequest& request : requests) {
    request.chunks = 3;
    request.first_kept_chunk = 1;
  }
  std::vector<int64_t> chunks;
  std::vector<at::Tensor> frames;
  ASSERT_TRUE(sampler_
                  .Generate(requests, TokenRanking::kRouter, 1,
                            [&](int64_t chunk, const at::Tensor& shown) {
                              chunks.push_back(chunk);
                              frames.push_back(shown);
                            })
                  .ok());
  EXPECT_EQ(chunks, (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(at::cat(frames, 1).equal(sampler_.Generate(requests, TokenRanking::kRouter, 1).value()));
}

TEST_F(PlainSamplerTest, MakesOtherFramesOfFewerBlocks) {
  const PlainSampler shorter = PlainSampler::Load(TinyModel(), at::kCPU, /*blocks=*/3).value();
  EXPECT_EQ(shorter.budgets(), (std::vector<RetentionTenths>{kDenseTenths}));
  const at::Tensor whole = sampler_.Generate(Requests(10), TokenRanking::kRouter, 1).value();
  EXPECT_GT((shorter.Generate(Requests(10), TokenRanking::kRouter, 1).value() - whole).abs().max().item<double>(), 0.1);
}

TEST_F(PlainSamplerTest, RefusesABudgetWithoutATable) {
  EXPECT_NE(std::string(sampler_.Generate(Requests(4), TokenRanking::kRouter, 1).status().message()).find("4 tenths"),
            std::string::npos);
}

}  // namespace
}  // namespace videodiffcr::training
