// The GPU path against the plain path that reads like the paper, in fp32 on small shapes and in the types that serve.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "model/gpu/chunk_sampler.h"
#include "tests/model/path_cases.h"

namespace videodiffcr::gpu {
namespace {

using namespace path_cases;

constexpr uint64_t kSeed = 5;

TransformerWeights ToGpu(const TransformerConfig& config, int64_t bypass_rank, TransformerWeights weights) {
  std::vector<WeightRow> rows = TransformerWeightTable(config, &weights);
  for (const WeightRow& row : RoutingWeightTable(config, kRouterWidth, bypass_rank, &weights)) rows.push_back(row);
  for (const WeightRow& row : rows) *row.destination = row.destination->to(at::kCUDA);
  return weights;
}

// The case's video for `sessions` sessions at once, each with the same prompt and noise: latents by session and chunk.
std::vector<std::vector<at::Tensor>> GpuLatents(const Case& c, const DiffusionTransformer& model,
                                                const RetentionTable& table, const at::Tensor& prompt,
                                                const std::vector<ChunkNoise>& noise, int sessions, Precision precision,
                                                const CacheRetention& cache = {},
                                                std::optional<kernels::Element> key_element = std::nullopt) {
  RetentionConfig retention = RetentionOf(c);
  retention.cache = cache;
  const StepSchedule schedule = *MakeStepSchedule({});
  const kernels::Element keys = key_element.value_or(ActivationElement(precision));
  SessionPool pool(model.config, precision, keys, sessions + 1, retention);
  GpuTransformer transformer(model.config, retention,
                             *MakeGpuWeights(model.config, ToGpu(model.config, c.bypass_rank, model.weights),
                                             schedule.timesteps_and_context(), precision),
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
        steps[session].seed = kSeed;
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
  Drawn drawn = {{config, RandomWeights(config, c.bypass_rank)}, TableOf(c), {}, {}};
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

// Windows that whole chunks leave.
const Case kCacheCases[] = {
    {.name = "window that no chunk leaves", .window = 18, .layer_tenths = {8, 6}},
    {.name = "window of whole chunks and a sink", .window = 12, .sink = 3, .layer_tenths = {8, 6}},
    {.name = "ring of one chunk", .window = 6, .layer_tenths = {8, 6}},
    {.name = "past that is all sink", .window = 6, .sink = 3, .layer_tenths = {8, 6}},
    {.name = "relative positions, a sink",
     .window = 12,
     .sink = 3,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {8, 6}},
    {.name = "mode D, relative positions",
     .window = 9,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {8, 6},
     .context_mode = ContextMode::kRoutedFullKv},
    {.name = "mode E",
     .window = 9,
     .layer_tenths = {6, 10},
     .kv_mode = KvMode::kFull,
     .context_mode = ContextMode::kRoutedFullKv},
    {.name = "frame by frame", .window = 4, .sink = 1, .chunk_frames = 1, .layer_tenths = {8, 6}},
};

std::vector<at::Tensor> PlainLatentsWithCache(const Case& c, const Drawn& d, const CacheRetention& cache) {
  const SamplerOptions options = SamplerOptionsOf(c);
  RolloutState state(d.model.config);
  state.text = MakeTextKeys(d.model, d.prompt);
  state.cache_rule = CacheRuleAt(cache, d.table.nominal, c.layers, {kSeed});
  std::vector<at::Tensor> latents;
  for (const ChunkNoise& draws : d.noise) {
    latents.push_back(SampleChunk(d.model, options, d.table, draws, &state).latents.select(0, 0));
  }
  return latents;
}

TEST_F(GpuPathTest, KeepsTheShareOfTheCacheThatThePlainPathKeeps) {
  for (const Case& c : kCacheCases) {
    for (const CacheScore score : {CacheScore::kRouter, CacheScore::kKeyNorm, CacheScore::kRandom}) {
      SCOPED_TRACE(c.name + ", " + CacheScoreName(score));
      const Drawn d = Draw(c);
      const CacheRetention cache = {score, {{10, {40}}, {7, {40, 75}}}};
      const std::vector<at::Tensor> plain = PlainLatentsWithCache(c, d, cache);
      const auto served = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 2, Precision::kFloat32, cache);
      for (size_t chunk = 0; chunk < d.noise.size(); ++chunk) {
        for (const auto& session : served) {
          EXPECT_LE(plain[chunk].sub(session[chunk]).abs().max().item<float>(), 2e-4f) << "chunk " << chunk;
        }
      }
    }
  }
}

TEST_F(GpuPathTest, AllOfTheCacheIsTheSameBitForBitAndSoIsABudgetThatKeepsAll) {
  for (const Case& c : kCacheCases) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      SCOPED_TRACE(c.name);
      const Drawn d = Draw(c);
      const auto serve = [&](const CacheRetention& cache) {
        return GpuLatents(c, d.model, d.table, d.prompt, d.noise, 1, precision, cache)[0];
      };
      const std::vector<at::Tensor> untouched = serve({}), all = serve({CacheScore::kRouter, {{7, {100, 100}}}}),
                                    of_this_budget = serve({CacheScore::kRouter, {{10, {50}}}}),
                                    half = serve({CacheScore::kRandom, {{7, {50}}}});
      for (size_t chunk = 0; chunk < untouched.size(); ++chunk) {
        EXPECT_TRUE(untouched[chunk].equal(all[chunk])) << "chunk " << chunk;
        EXPECT_TRUE(untouched[chunk].equal(of_this_budget[chunk])) << "chunk " << chunk << ", packed past";
      }
      EXPECT_EQ(untouched[4].equal(half[4]), c.window - c.sink == c.chunk_frames) << "half";
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

// Heads of 64 and 128 in bfloat16, and of 128 with keys in 8 bits.
TEST_F(GpuPathTest, VideosWithAShareOfTheCacheStayCloseToThePlainPathInTheTypesThatServe) {
  using kernels::Element;
  struct Setting {
    int64_t heads, dim;
    Element keys;
    RopePositions positions;
    double cosine;
  };
  for (const Setting& s : {Setting{3, 192, Element::kBfloat16, RopePositions::kAbsolute, 0.999},
                           Setting{3, 192, Element::kBfloat16, RopePositions::kWindowRelative, 0.999},
                           Setting{2, 256, Element::kBfloat16, RopePositions::kAbsolute, 0.999},
                           Setting{2, 256, Element::kFloat8, RopePositions::kAbsolute, 0.98}}) {
    const Case c{.name = "cache",
                 .dim = s.dim,
                 .heads = s.heads,
                 .layers = 4,
                 .window = 9,
                 .sink = 3,
                 .height = 12,
                 .width = 20,
                 .positions = s.positions};
    SCOPED_TRACE(testing::Message() << s.heads << " heads, width " << s.dim << ", least cosine " << s.cosine);
    const Drawn d = Draw(c);
    const CacheRetention cache = {CacheScore::kRandom, {{10, {50, 30, 100, 50}}}};
    const std::vector<at::Tensor> plain = PlainLatentsWithCache(c, d, cache);
    const auto served = GpuLatents(c, d.model, d.table, d.prompt, d.noise, 2, Precision::kBfloat16, cache, s.keys);
    for (size_t chunk = 0; chunk < d.noise.size(); ++chunk) {
      const double cosine = Cosine(plain[chunk], served[1][chunk]);
      EXPECT_GE(cosine, s.cosine) << "chunk " << chunk;
      std::printf("cache by chance, %d heads of %d, keys of type %d, chunk %d: cosine %.6f\n",
                  static_cast<int>(s.heads), static_cast<int>(s.dim / s.heads), static_cast<int>(s.keys),
                  static_cast<int>(chunk), cosine);
    }
  }
}

}  // namespace
}  // namespace videodiffcr::gpu
