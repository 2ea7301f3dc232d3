// Retention of the cache as it serves, where keys that go are really gone, against the plain path, where they are only
// marked: windows that slide, budgets and prompts that change from chunk to chunk, and a new scene.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "model/cpu/chunk_sampler.h"
#include "tests/model/path_cases.h"

namespace videodiffcr {
namespace {

using namespace path_cases;

constexpr uint64_t kSeed = 5;
constexpr size_t kChunks = 8, kPromptSwitch = 2, kSceneCut = 5;

const Case kCacheCases[] = {
    {.name = "window that no chunk leaves", .window = 27, .layer_tenths = {8, 6}},
    {.name = "window of whole chunks and a sink", .window = 12, .sink = 3, .layer_tenths = {8, 6}},
    {.name = "window that cuts chunks, relative positions",
     .window = 8,
     .sink = 1,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {8, 6}},
    {.name = "ring shorter than a chunk", .window = 6, .sink = 1, .layer_tenths = {8, 6}},
    {.name = "past that is all sink", .window = 6, .sink = 3, .layer_tenths = {8, 6}},
    {.name = "mode D, relative positions",
     .window = 10,
     .sink = 2,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {8, 6},
     .context_mode = ContextMode::kRoutedFullKv},
    {.name = "mode E",
     .window = 9,
     .layer_tenths = {6, 10},
     .kv_mode = KvMode::kFull,
     .context_mode = ContextMode::kRoutedFullKv},
};

struct Video {
  DiffusionTransformer model;
  RetentionConfig retention;
  std::vector<at::Tensor> prompts;
  std::vector<ChunkNoise> noise;

  // Budgets take turns.
  const RetentionTable* table(size_t chunk) const { return chunk % 3 == 1 ? &retention.tables.front() : nullptr; }
};

Video MakeVideo(const Case& c, const CacheRetention& cache) {
  at::manual_seed(7);
  const TransformerConfig config = ConfigOf(c);
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
  Video video = {{config, RandomWeights(config)}, RetentionOf(c), {}, {}};
  video.retention.cache = cache;
  for (int prompt = 0; prompt < 2; ++prompt) video.prompts.push_back(at::randn({1, 4, config.text_dim}));
  for (size_t chunk = 0; chunk < kChunks; ++chunk) video.noise.push_back(RandomNoise(c).front());
  return video;
}

std::vector<at::Tensor> Plain(const Case& c, const Video& video) {
  const SamplerOptions options = SamplerOptionsOf(c);
  auto state = std::make_unique<RolloutState>(video.model.config);
  std::vector<at::Tensor> latents;
  for (size_t chunk = 0; chunk < kChunks; ++chunk) {
    if (chunk == kSceneCut) state = std::make_unique<RolloutState>(video.model.config);
    state->text = MakeTextKeys(video.model, video.prompts[chunk < kPromptSwitch ? 0 : 1]);
    const RetentionTable* table = video.table(chunk);
    state->cache_rule =
        CacheRuleAt(video.retention.cache, table == nullptr ? kDenseTenths : table->nominal, 2, {kSeed});
    latents.push_back(SampleChunk(video.model, options, table == nullptr ? DenseRetentionTable(2, 4) : *table,
                                  video.noise[chunk], state.get())
                          .latents.select(0, 0));
  }
  return latents;
}

struct Served {
  std::vector<at::Tensor> latents;
  int64_t least_past_rows = 0;  // of any chunk that had a past, in 1000ths of what a whole one would have
};

Served Serve(const Video& video, int lanes) {
  const TransformerConfig& config = video.model.config;
  const StepSchedule schedule = *MakeStepSchedule({});
  const cpu::CpuTransformer transformer(
      config, video.retention, cpu::PackTransformer(config, video.model.weights, schedule.timesteps_and_context()));
  const cpu::ChunkSampler sampler(&transformer, video.retention, schedule.sigmas);
  cpu::SamplerSession session(config, video.retention, kSeed);
  cpu::PassScratch scratch(config, video.retention);
  cpu::LanePool pool(lanes);
  Served served = {{}, 1000};
  for (size_t chunk = 0; chunk < kChunks; ++chunk) {
    if (chunk == 0 || chunk == kPromptSwitch) {
      session.text = transformer.EncodeText(video.prompts[chunk == 0 ? 0 : 1].const_data_ptr<float>(), 4);
    }
    if (chunk == kSceneCut) session.cache.Reset();
    const cpu::NoiseSource source = [&](int draw, cpu::FloatBuffer& out) {
      std::copy_n(video.noise[chunk][draw].const_data_ptr<float>(), out.size(), out.data());
    };
    pool.Run(1, lanes, [&](int, cpu::TeamMember& member) {
      for (int step = 0; step < sampler.steps(); ++step) {
        sampler.Denoise(session, step, video.table(chunk), source, scratch, member);
      }
    });
    served.latents.push_back(
        at::from_blob(session.latents.data(), video.noise[chunk][0].sizes().slice(1), at::kFloat).clone());
    if (const int64_t whole = session.cache.whole_past_rows(); whole > 0) {
      served.least_past_rows = std::min(served.least_past_rows, 1000 * session.cache.past_rows() / whole);
    }
    pool.Run(1, lanes,
             [&](int, cpu::TeamMember& member) { sampler.Context(session, video.table(chunk), scratch, member); });
  }
  return served;
}

TEST(CachePathTest, EqualsThePlainPathForEveryScoreWindowAndBudget) {
  const at::NoGradGuard no_gradients;
  for (const Case& c : kCacheCases) {
    for (const auto& [score, name] : CacheScoreNames()) {
      SCOPED_TRACE(c.name + ", " + name);
      const Video video = MakeVideo(c, {score, {{10, {75, 40}}, {7, {25, 100}}}});
      const std::vector<at::Tensor> plain = Plain(c, video);
      const Served served = Serve(video, 2), alone = Serve(video, 1);
      for (size_t chunk = 0; chunk < kChunks; ++chunk) {
        EXPECT_LE(plain[chunk].sub(served.latents[chunk]).abs().max().item<float>(), 1e-4f) << "chunk " << chunk;
        EXPECT_TRUE(served.latents[chunk].equal(alone.latents[chunk]))
            << "two lanes and one lane differ in chunk " << chunk;
      }
      EXPECT_EQ(served.least_past_rows<1000, c.window - c.sink> 3) << served.least_past_rows;
    }
  }
}

TEST(CachePathTest, AllOfTheCacheIsTheSameBitForBitAndLessIsNot) {
  const at::NoGradGuard no_gradients;
  for (const Case& c : kCacheCases) {
    SCOPED_TRACE(c.name);
    const Served untouched = Serve(MakeVideo(c, {}), 2);
    const Served all = Serve(MakeVideo(c, {CacheScore::kSaliency, {{10, {100}}, {7, {100, 100}}}}), 2);
    const Served half = Serve(MakeVideo(c, {CacheScore::kSaliency, {{10, {50}}, {7, {50}}}}), 2);
    for (size_t chunk = 0; chunk < kChunks; ++chunk) {
      EXPECT_TRUE(untouched.latents[chunk].equal(all.latents[chunk])) << "chunk " << chunk;
    }
    EXPECT_EQ(untouched.latents[4].equal(half.latents[4]), c.window - c.sink == 3);
  }
}

}  // namespace
}  // namespace videodiffcr
