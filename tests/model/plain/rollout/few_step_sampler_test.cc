// Whole rollouts: golden_checks.md section 2, and the acceptance tests of videodiffcr.md appendix B that speak of
// chunks.
#include "model/plain/rollout/few_step_sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <string>

#include "gtest/gtest.h"
#include "model/weights/weight_table.h"
#include "tests/model/imposed_tokens.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr {
namespace {

SamplerOptions OptionsWithShift(double shift) {
  SamplingConfig sampling;
  sampling.shift = shift;
  SamplerOptions options;
  options.schedule = *MakeStepSchedule(sampling);
  return options;
}

// noise("renoise0"), noise("renoise1"), ... in the order in which they are drawn, three per chunk.
ChunkNoise GoldenNoise(const at::Tensor& latents, int64_t chunk) {
  ChunkNoise noise = {latents.narrow(1, 3 * chunk, 3)};
  for (int64_t draw = 3 * chunk; draw < 3 * chunk + 3; ++draw) {
    noise.push_back(FillNoise("renoise" + std::to_string(draw), {3, 4, 4, 6}).unsqueeze(0));
  }
  return noise;
}

// The whole video [1, F, 4, 4, 6].
at::Tensor GoldenRollout(int64_t frames, int64_t window, int64_t sink, double shift) {
  const c10::NoGradGuard no_gradients;
  TransformerConfig config = SmallTransformerConfig();
  config.window_frames = window;
  config.sink_frames = sink;
  const DiffusionTransformer model = MakeSmallTransformer(config);
  const at::Tensor latents = FillNoise("latent", {1, frames, 4, 4, 6});
  RolloutState state(config);
  state.text = MakeTextKeys(model, SmallPrompt());
  std::vector<at::Tensor> chunks;
  for (int64_t chunk = 0; chunk < frames / 3; ++chunk) {
    chunks.push_back(
        SampleChunk(model, OptionsWithShift(shift), DenseRetentionTable(2, 4), GoldenNoise(latents, chunk), &state)
            .latents);
  }
  return at::cat(chunks, 1);
}

struct GoldenRow {
  int64_t frames, window, sink;
  double shift, sum, abs_sum, square_sum;
  std::vector<std::pair<int64_t, double>> elements;
};

class GoldenRollouts : public ::testing::TestWithParam<GoldenRow> {};

TEST_P(GoldenRollouts, AreReproduced) {
  const GoldenRow& row = GetParam();
  const at::Tensor video = GoldenRollout(row.frames, row.window, row.sink, row.shift).to(at::kDouble).flatten();
  EXPECT_NEAR(video.sum().item<double>(), row.sum, 1e-4 * row.abs_sum);
  EXPECT_NEAR(video.abs().sum().item<double>(), row.abs_sum, 1e-4 * row.abs_sum);
  EXPECT_NEAR(video.square().sum().item<double>(), row.square_sum, 1e-4 * row.square_sum);
  for (const auto& [index, value] : row.elements) EXPECT_NEAR(video[index].item<double>(), value, 1e-4) << index;
}

INSTANTIATE_TEST_SUITE_P(
    Section2, GoldenRollouts,
    ::testing::Values(
        GoldenRow{
            9,
            21,
            0,
            5,
            154.400897,
            842.496154,
            1271.698131,
            {{0, 0.451633}, {1, -1.157663}, {288, -0.238427}, {432, 0.129725}, {576, 0.210676}, {863, -0.368457}}},
        GoldenRow{18,
                  6,
                  0,
                  5,
                  339.770040,
                  1691.683409,
                  2551.798435,
                  {{576, 0.281406}, {864, 2.409393}, {1152, -0.697737}, {1727, -0.757771}}},
        GoldenRow{18,
                  6,
                  1,
                  5,
                  328.746145,
                  1687.880625,
                  2542.507096,
                  {{576, 0.247980}, {864, 2.350694}, {1152, -0.727379}, {1727, -0.736781}}},
        GoldenRow{18,
                  6,
                  3,
                  5,
                  323.995943,
                  1692.541665,
                  2558.506154,
                  {{576, 0.224855}, {864, 2.388641}, {1152, -0.649092}, {1727, -0.701971}}},
        GoldenRow{9, 21, 0, 8, 14.736678, 820.806366, 1218.845183, {{0, 0.107420}, {1, -1.626538}, {863, 0.415223}}}));

TEST(FewStepSampler, X0IsTakenFromTheFlowInDouble) {
  const at::Tensor x = FillNoise("x", {1, 3, 4, 4, 6}), flow = FillNoise("flow", {1, 3, 4, 4, 6});
  const at::Tensor x0 = FlowToX0(flow, x, 0.9375f);
  EXPECT_TRUE(x0.equal((x.to(at::kDouble) - 0.9375 * flow.to(at::kDouble)).to(at::kFloat)));
  EXPECT_TRUE(at::allclose(AddNoise(x0, x, 1.0f), x));
}

TEST(FewStepSampler, GeneratingNChunksEqualsGeneratingAllButOneAndGoingOn) {
  const c10::NoGradGuard no_gradients;
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  const SamplerOptions options = OptionsWithShift(5);
  const RetentionTable table = MakeRetentionTable(7, {8, 6}, {-3, -1, 1, 3});
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, SmallPrompt());
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    SampleChunk(model, options, table, DrawChunkNoise(model, 11, chunk, 4), &state);
  }
  RolloutState resumed = state;
  const at::Tensor went_on = SampleChunk(model, options, table, DrawChunkNoise(model, 11, 3, 4), &state).latents;
  const at::Tensor again = SampleChunk(model, options, table, DrawChunkNoise(model, 11, 3, 4), &resumed).latents;
  EXPECT_TRUE(went_on.equal(again));
}

TEST(FewStepSampler, APromptSwitchReplacesTextKeysOnly) {
  const c10::NoGradGuard no_gradients;
  const DiffusionTransformer model = MakeSmallTransformer();
  const SamplerOptions options = OptionsWithShift(5);
  const RetentionTable dense = DenseRetentionTable(2, 4);
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, SmallPrompt());
  SampleChunk(model, options, dense, DrawChunkNoise(model, 11, 0, 4), &state);
  RolloutState switched = state;
  switched.text = MakeTextKeys(model, FillUniform("other", {1, 6, 24}));
  EXPECT_TRUE(switched.cache.past()[0].k.equal(state.cache.past()[0].k));
  EXPECT_FALSE(SampleChunk(model, options, dense, DrawChunkNoise(model, 11, 1, 4), &switched)
                   .latents.equal(SampleChunk(model, options, dense, DrawChunkNoise(model, 11, 1, 4), &state).latents));
}

struct RoutedVideo {
  at::Tensor latents;            // fp32
  std::vector<at::Tensor> kept;  // per routed block, as they ran
};

// Three routed chunks whose blocks choose by `selector`.
RoutedVideo RunRouted(const DiffusionTransformer& model, const TokenSelector& selector) {
  SamplerOptions options = OptionsWithShift(5);
  options.routing.selector = selector;
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, SmallPrompt());
  RoutedVideo video;
  std::vector<at::Tensor> latents;
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    const SampledChunk sampled = SampleChunk(model, options, MakeRetentionTable(7, {8, 6}, {-3, -1, 1, 3}),
                                             DrawChunkNoise(model, 11, chunk, 4), &state);
    latents.push_back(sampled.latents.to(at::kFloat));
    for (const std::vector<at::Tensor>& pass : sampled.kept) {
      for (const at::Tensor& kept : pass) {
        if (kept.defined()) video.kept.push_back(kept);
      }
    }
  }
  video.latents = at::cat(latents, 1);
  return video;
}

at::Tensor LowestScores(const at::Tensor& scores, int64_t kept_rows) { return SelectTokens(-scores, kept_rows); }

double RelativeDistance(const at::Tensor& a, const at::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

TEST(FewStepSampler, WithTheTokensOfAnotherPathImposedOnlyItsArithmeticIsLeftBetweenTheVideos) {
  const c10::NoGradGuard no_gradients;
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  DiffusionTransformer in_bf16 = MakeSmallRoutedTransformer();
  for (const WeightRow& row : TransformerWeightTable(in_bf16.config, &in_bf16.weights)) {
    *row.destination = row.destination->to(at::kBFloat16);
  }
  const RoutedVideo exact = RunRouted(model, LowestScores), near = RunRouted(in_bf16, LowestScores);

  ImposedTokens of_exact(exact.kept), of_near(near.kept);
  EXPECT_TRUE(RunRouted(model, of_exact.Selector()).latents.equal(exact.latents));
  EXPECT_TRUE(of_exact.all_used());
  const double arithmetic = RelativeDistance(RunRouted(model, of_near.Selector()).latents, near.latents);
  EXPECT_TRUE(of_near.all_used());
  const double tokens_too = RelativeDistance(RunRouted(model, {}).latents, near.latents);
  EXPECT_LT(arithmetic, 0.02);
  EXPECT_GT(tokens_too, 3 * arithmetic);
}

TEST(ImposedTokens, SaysHowFarFromTheCutThoseAreThatTheScoresWouldNotHaveChosen) {
  const at::Tensor scores = at::arange(6, at::kFloat).view({1, 6});  // 0 to 5: of three, the cut is at 2.5
  const at::Tensor kept = at::arange(1, 4);                          // 1 and 2 in place of 4 and 5
  ImposedTokens imposed({kept, at::arange(3, 6)});
  const TokenSelector selector = imposed.Selector();
  EXPECT_TRUE(selector(scores, 3)[0].equal(kept));
  EXPECT_FALSE(imposed.all_used());
  const double distances[] = {1.5, 0.5, 1.5, 2.5};
  const at::Tensor in_scores = imposed.Margins() * scores.std();
  ASSERT_EQ(in_scores.numel(), 4);
  for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(in_scores[i].item<double>(), distances[i], 1e-5) << i;
  selector(scores, 3);
  EXPECT_TRUE(imposed.all_used());
  EXPECT_EQ(imposed.Margins().numel(), 4) << "the second set is what the scores choose";
  EXPECT_EQ(imposed.tokens(), 6);
}

struct Mode {
  const char* name;
  KvMode kv_mode;
  ContextMode context_mode;
};

class RoutingModes : public ::testing::TestWithParam<Mode> {
 protected:
  // One chunk in this mode; leaves the state behind.
  SampledChunk Run(RolloutState* state) {
    SamplerOptions options = OptionsWithShift(5);
    options.routing.kv_mode = GetParam().kv_mode;
    options.context_mode = GetParam().context_mode;
    state->text = MakeTextKeys(model_, SmallPrompt());
    return SampleChunk(model_, options, MakeRetentionTable(7, {8, 6}, {-3, -1, 1, 3}), DrawChunkNoise(model_, 5, 0, 4),
                       state);
  }

  const c10::NoGradGuard no_gradients_;
  const DiffusionTransformer model_ = MakeSmallRoutedTransformer();
};

INSTANTIATE_TEST_SUITE_P(Modes, RoutingModes,
                         ::testing::Values(Mode{"A", KvMode::kKept, ContextMode::kDense},
                                           Mode{"B", KvMode::kFull, ContextMode::kDense},
                                           Mode{"D", KvMode::kKept, ContextMode::kRoutedFullKv},
                                           Mode{"E", KvMode::kFull, ContextMode::kRoutedFullKv}),
                         [](const auto& info) { return info.param.name; });

TEST_P(RoutingModes, Acceptance7TheCacheGetsEveryRowOfTheChunk) {
  RolloutState state(model_.config);
  Run(&state);
  for (const KeysValues& layer : state.cache.past()) {
    EXPECT_EQ(layer.k.size(1), 18);
    EXPECT_EQ(layer.v.size(1), 18);
  }
}

TEST_P(RoutingModes, Acceptance7WithADenseContextPassTheCacheIsTheDenseModelsForTheSameX0) {
  RolloutState state(model_.config);
  const at::Tensor x0 = Run(&state).latents;
  PassInput context;
  context.latents = x0;
  context.timesteps = (x0.select(4, 0).select(3, 0).select(2, 0) * 0).to(at::kDouble);
  context.text = &state.text;
  const PassOutput dense = RunPass(model_, context);
  for (size_t i = 0; i < dense.keys.size(); ++i) {
    const bool equal = state.cache.past()[i].k.equal(dense.keys[i].k) && state.cache.past()[i].v.equal(dense.keys[i].v);
    // The first block's keys never depend on routing: all rows enter it as they are.
    EXPECT_EQ(equal, i == 0 || GetParam().context_mode == ContextMode::kDense) << "block " << i;
  }
}

TEST_P(RoutingModes, KeepsTheCountsOfTheTable) {
  RolloutState state(model_.config);
  const SampledChunk chunk = Run(&state);
  const RetentionTable table = MakeRetentionTable(7, {8, 6}, {-3, -1, 1, 3});
  for (size_t pass = 0; pass < 5; ++pass) {
    for (size_t layer = 0; layer < 2; ++layer) {
      const int tenths = pass == 4 && GetParam().context_mode == ContextMode::kDense ? 10 : table.tenths[layer][pass];
      const at::Tensor& kept = chunk.kept[pass][layer];
      ASSERT_EQ(kept.defined(), tenths != 10) << "pass " << pass << ", block " << layer;
      if (!kept.defined()) continue;
      EXPECT_EQ(kept.size(1), KeptRows(tenths, 18));
    }
  }
}

TEST(FewStepSampler, Acceptance13NoiseDependsOnSeedChunkAndStepAlone) {
  const DiffusionTransformer dense = MakeSmallTransformer();
  const DiffusionTransformer routed = MakeSmallRoutedTransformer();
  const ChunkNoise of_dense = DrawChunkNoise(dense, 9, 2, 4);
  const ChunkNoise of_routed = DrawChunkNoise(routed, 9, 2, 4);
  ASSERT_EQ(of_dense.size(), 4);
  for (size_t step = 0; step < 4; ++step) EXPECT_TRUE(of_dense[step].equal(of_routed[step]));
  EXPECT_FALSE(of_dense[0].equal(of_dense[1]));
  EXPECT_FALSE(of_dense[0].equal(DrawChunkNoise(dense, 10, 2, 4)[0]));
  EXPECT_FALSE(of_dense[0].equal(DrawChunkNoise(dense, 9, 3, 4)[0]));
  EXPECT_TRUE(of_dense[2].equal(DrawChunkNoise(dense, 9, 2, 3)[2])) << "drawing fewer steps changes none";
}

TEST(FewStepSampler, GradientsReachTheWeightsThroughAllStepsOfAChunk) {
  DiffusionTransformer model = MakeSmallTransformer();
  model.weights.head.weight.set_requires_grad(true);
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, SmallPrompt());
  SampleChunk(model, OptionsWithShift(5), DenseRetentionTable(2, 4), DrawChunkNoise(model, 1, 0, 4), &state)
      .latents.square()
      .sum()
      .backward();
  EXPECT_GT(model.weights.head.weight.grad().abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace videodiffcr
