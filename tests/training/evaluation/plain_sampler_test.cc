#include "training/evaluation/plain_sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "training/evaluation/evaluation.h"

namespace videodiffcr::training {
namespace {

std::string TinyModel() { return std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny"; }

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
    const at::Tensor of_server = ServedClips(**served).make({}, Requests(budget)).value();
    ASSERT_EQ(plain.sizes(), of_server.sizes());
    // Rounding may fall the other way, a step of 255; were other tokens kept, pixels would differ by far more.
    EXPECT_LT((plain - of_server).abs().max().item<double>(), 1.5 / 255) << budget;
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

TEST_F(PlainSamplerTest, RefusesABudgetWithoutATable) {
  EXPECT_NE(std::string(sampler_.Generate(Requests(4), TokenRanking::kRouter, 1).status().message()).find("4 tenths"),
            std::string::npos);
}

}  // namespace
}  // namespace videodiffcr::training
