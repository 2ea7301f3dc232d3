// Noise, patches and sampler steps on a GPU against the plain reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/config/noise.h"
#include "model/kernels/chunk_latents.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

constexpr LatentShape kLatents = {3, 4, 6, 10, 2, 2};

TEST(ChunkLatentsTest, NoiseHasTheBitsOfTheHost) {
  const at::Tensor got = Empty({kLatents.values()}, at::kFloat), want = at::empty({kLatents.values()});
  FillNoise(kLatents, {0x123456789ABCDEF0, 77, 3}, MutableFloats(got), TestStream());
  FillNormal({0x123456789ABCDEF0, 77, 3}, absl::MakeSpan(MutableFloats(want), want.numel()));
  EXPECT_TRUE(got.to(at::kCPU).equal(want));
}

TEST(ChunkLatentsTest, DrawsThatFollowEachOtherHaveTheBitsOfTheHost) {
  for (const int count : {1, 18, 1001}) {
    const at::Tensor got = Empty({3, count}, at::kFloat), want = at::empty({3, count});
    const NoiseKey first = RandomScoreKey(0x123456789ABCDEF0, 21, 0);
    FillNormals({first.seed, first.chunk, first.draw}, 3, count, MutableFloats(got), TestStream());
    for (int row = 0; row < 3; ++row) {
      FillRandomScores(0x123456789ABCDEF0, 21, row, absl::MakeSpan(MutableFloats(want) + row * count, count));
    }
    EXPECT_TRUE(got.to(at::kCPU).equal(want)) << count;
  }
}

TEST(ChunkLatentsTest, PatchesAndSamplerStepsEqualThePlainOnes) {
  const at::Tensor latents = at::randn({kLatents.values()}), flow = at::randn({kLatents.values()});
  const at::Tensor patches = Empty({kLatents.values()}, at::kFloat), want_patches = at::empty({kLatents.values()});
  const at::Tensor gpu_latents = OnGpu(latents), gpu_flow = OnGpu(flow);
  Patchify({kLatents, Floats(gpu_latents), MutableFloats(patches)}, TestStream());
  PlainPatchify({kLatents, Floats(latents), MutableFloats(want_patches)});
  EXPECT_TRUE(patches.to(at::kCPU).equal(want_patches));
  const at::Tensor noise = at::empty({kLatents.values()});
  FillNormal({5, 6, 7}, absl::MakeSpan(MutableFloats(noise), noise.numel()));
  for (const bool last : {false, true}) {
    const at::Tensor got = gpu_latents.clone(), want = latents.clone();
    TakeSamplerStep({kLatents, 0.83, 0.4f, last, {5, 6, 7}, nullptr, Floats(gpu_flow), MutableFloats(got)},
                    TestStream());
    PlainTakeSamplerStep({kLatents, 0.83, 0.4f, last, {}, Floats(noise), Floats(flow), MutableFloats(want)});
    EXPECT_LE(RelativeError(got, want), 1e-6) << "last " << last;
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
