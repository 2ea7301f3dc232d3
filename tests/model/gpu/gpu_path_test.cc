// The GPU path against the plain path that reads like the paper, in fp32 on small shapes and in the types that serve.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "model/gpu/chunk_sampler.h"
#include "tests/model/path_cases.h"

namespace videodiffcr::gpu {
namespace {

using namespace path_cases;

TransformerWeights ToGpu(const TransformerConfig& config, TransformerWeights weights) {
  for (const WeightRow& row : TransformerWeightTable(config, &weights)) {
    *row.destination = row.destination->to(at::kCUDA);
  }
  for (BlockWeights& block : weights.blocks) {
    RouterWeights& router = *block.router;
    for (at::Tensor* tensor : {&router.down.weight, &router.down.bias, &router.mix, &router.score}) {
      *tensor = tensor->to(at::kCUDA);
    }
  }
  return weights;
}

// The case's video for `sessions` sessions at once, each with the same prompt and noise: latents by session and chunk.
std::vector<std::vector<at::Tensor>> GpuLatents(const Case& c, const DiffusionTransformer& model,
                                                const RetentionTable& table, const at::Tensor& prompt,
                                                const std::vector<ChunkNoise>& noise, int sessions,
                                                Precision precision) {
  const RetentionConfig retention = RetentionOf(c);
  const StepSchedule schedule = *MakeStepSchedule({});
  const kernels::Element keys = ActivationElement(precision);
  SessionPool pool(model.config, precision, keys, sessions + 1);
  GpuTransformer transformer(
      model.config, retention,
      *MakeGpuWeights(model.config, ToGpu(model.config, model.weights), schedule.timesteps_and_context(), precision),
      precision, keys, sessions, /*processors=*/132);
  ChunkSampler engine(model.config, retention, schedule, &transformer, &pool);
  std::vector<std::vector<at::Tensor>> latents(sessions);
  for (int session = 0; session < sessions; ++session) {
    transformer.EncodeText(prompt[0].to(at::kCUDA), session + 1, pool);
  }
  for (const ChunkNoise& draws : noise) {
    std::vector<at::Tensor> on_gpu;
    for (const at::Tensor& draw : draws) on_gpu.push_back(draw[0].to(at::kCUDA).contiguous());
    for (int step = 0; step <= engine.steps(); ++step) {
      std::vector<ChunkStep> steps(sessions);
      for (int session = 0; session < sessions; ++session) {
        steps[session].slot = session + 1;
        steps[session].step = step;
        steps[session].context_pass = step == engine.steps();
        steps[session].table = &table;
        steps[session].noise = &on_gpu;
        if (steps[session].context_pass) latents[session].push_back(pool.latents(session + 1).to(at::kCPU));
      }
      engine.Run(steps);
    }
  }
  return latents;
}

struct Drawn {
  DiffusionTransformer model;
  RetentionTable table;
  at::Tensor prompt;
  std::vector<ChunkNoise> noise;
};

Drawn Draw(const Case& c) {
  at::manual_seed(7);
  const TransformerConfig config = ConfigOf(c);
  Drawn drawn = {{config, RandomWeights(config)}, TableOf(c), {}, {}};
  drawn.prompt = at::randn({1, 4, config.text_dim});
  drawn.noise = RandomNoise(c);
  return drawn;
}

class GpuPathTest : public ::testing::Test {
 protected:
  const at::NoGradGuard no_gradients_;
};

TEST_F(GpuPathTest, EqualsThePlainPathForEveryModeWindowAndGate) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Drawn d = Draw(c);
    const std::vector<at::Tensor> plain = PlainLatents(c, d.model, d.table, d.prompt, d.noise);
    const auto served = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 1, Precision::kFloat32);
    for (size_t chunk = 0; chunk < d.noise.size(); ++chunk) {
      EXPECT_LE(plain[chunk].sub(served[0][chunk]).abs().max().item<float>(), 2e-4f) << "chunk " << chunk;
    }
  }
}

TEST_F(GpuPathTest, SessionsInOnePassMakeTheirOwnVideos) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Drawn d = Draw(c);
    const auto alone = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 1, Precision::kFloat32);
    const auto among = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 3, Precision::kFloat32);
    for (size_t chunk = 0; chunk < d.noise.size(); ++chunk) {
      for (const auto& session : among) {
        EXPECT_LE(alone[0][chunk].sub(session[chunk]).abs().max().item<float>(), 2e-4f) << "chunk " << chunk;
      }
    }
  }
}

double Cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.flatten().to(at::kDouble), y = b.flatten().to(at::kDouble);
  return at::dot(x, y).item<double>() / (x.norm().item<double>() * y.norm().item<double>());
}

TEST_F(GpuPathTest, BfloatVideosStayCloseToThePlainPath) {
  // Heads of 64 and 128: the sizes that our attention kernels have.
  for (const auto& [heads, dim] : {std::pair<int64_t, int64_t>{3, 192}, {2, 256}}) {
    Case c{.name = "dense", .dim = dim, .heads = heads, .layers = 4, .window = 9, .sink = 3, .height = 12, .width = 20};
    const Drawn d = Draw(c);
    const std::vector<at::Tensor> plain = PlainLatents(c, d.model, d.table, d.prompt, d.noise);
    const auto served = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 2, Precision::kBfloat16);
    for (size_t chunk = 0; chunk < d.noise.size(); ++chunk) {
      EXPECT_GE(Cosine(plain[chunk], served[1][chunk]), 0.999) << "chunk " << chunk << ", heads " << heads;
    }
  }
}

}  // namespace
}  // namespace videodiffcr::gpu
