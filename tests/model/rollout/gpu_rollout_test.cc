// The rollout of a CUDA device against that of the CPU: the same noise, latents and stream, in fp32 up to rounding.
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "model/rollout/latent_rollout.h"

namespace videodiffcr {
namespace {

double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  return ((a.cpu() - b.cpu()).norm() / b.cpu().norm()).item<double>();
}

struct Seen {
  std::vector<at::Tensor> latents, streams;  // by chunk; by pass, through all chunks
};

Seen Watch(const std::string& device, const std::string& precision, const std::vector<RolloutClip>& clips,
           RetentionTenths budget) {
  LatentRolloutOptions options;
  options.model_folder = std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny";
  options.device = device;
  options.precision = precision;
  options.threads = 2;
  const auto rollout = CreateLatentRollout(options).value();
  EXPECT_TRUE(rollout->Begin(clips).ok());
  Seen seen;
  for (int chunk = 0; chunk < 2; ++chunk) {
    const auto look = [&seen](const ObservedPass& pass) {
      seen.streams.push_back(pass.stream.clone());
      return absl::OkStatus();
    };
    seen.latents.push_back(rollout->NextChunk(budget, look).value());
  }
  return seen;
}

TEST(GpuRolloutTest, ShowsTheStreamAndMakesTheLatentsOfTheCpu) {
  at::manual_seed(3);
  const std::vector<RolloutClip> clips = {{at::randn({5, 128}), 11}, {at::randn({32, 128}), 12}};
  const Seen expected = Watch("cpu", "", clips, kDenseTenths);
  const Seen shown = Watch("cuda", "fp32", clips, kDenseTenths);
  ASSERT_EQ(shown.streams.size(), expected.streams.size());
  for (size_t pass = 0; pass < shown.streams.size(); ++pass) {
    EXPECT_LT(RelativeDifference(shown.streams[pass], expected.streams[pass]), 1e-3) << "pass " << pass;
  }
  for (size_t chunk = 0; chunk < 2; ++chunk) {
    EXPECT_LT(RelativeDifference(shown.latents[chunk], expected.latents[chunk]), 1e-3) << "chunk " << chunk;
  }
}

// Kept rows that wait for their norm are in the stream that is shown. Of the first pass: later ones may keep others.
TEST(GpuRolloutTest, ShowsTheStreamOfRoutedPasses) {
  at::manual_seed(3);
  const std::vector<RolloutClip> clips = {{at::randn({5, 128}), 11}};
  const Seen expected = Watch("cpu", "", clips, 7), shown = Watch("cuda", "fp32", clips, 7);
  EXPECT_LT(RelativeDifference(shown.streams[0], expected.streams[0]), 1e-2);
}

TEST(GpuRolloutTest, StaysNearInTheTypeThatServes) {
  at::manual_seed(3);
  const std::vector<RolloutClip> clips = {{at::randn({5, 128}), 11}};
  const Seen expected = Watch("cpu", "", clips, kDenseTenths), shown = Watch("cuda", "bf16", clips, kDenseTenths);
  EXPECT_LT(RelativeDifference(shown.streams[0], expected.streams[0]), 2e-2);
}

}  // namespace
}  // namespace videodiffcr
