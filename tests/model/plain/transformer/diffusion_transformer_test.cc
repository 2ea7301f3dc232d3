// The stages of a pass against golden_checks.md section 2, made by the public reference.
#include "model/plain/transformer/diffusion_transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <limits>

#include "gtest/gtest.h"
#include "model/plain/transformer/kv_cache.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr {
namespace {

struct Element {
  int64_t index;
  double value;
};

// A row of the page's table.
void ExpectSummary(const at::Tensor& tensor, double sum, double abs_sum, double square_sum,
                   const std::vector<Element>& elements) {
  const at::Tensor wide = tensor.to(at::kDouble).flatten();
  EXPECT_NEAR(wide.sum().item<double>(), sum, 1e-4 * abs_sum);
  EXPECT_NEAR(wide.abs().sum().item<double>(), abs_sum, 1e-4 * abs_sum);
  EXPECT_NEAR(wide.square().sum().item<double>(), square_sum, 1e-4 * square_sum);
  for (const Element& element : elements) {
    EXPECT_NEAR(wide[element.index].item<double>(), element.value, 1e-4) << "element " << element.index;
  }
}

at::Tensor Timesteps(const std::vector<double>& values) {
  at::Tensor t = at::full({1, static_cast<int64_t>(values.size())}, 0.0, at::kDouble);
  for (size_t i = 0; i < values.size(); ++i) t[0][i] = values[i];
  return t;
}

at::Tensor FirstChunk() { return FillNoise("latent", {1, 9, 4, 4, 6}).narrow(1, 0, 3); }

TEST(DiffusionTransformer, PatchTokensAreTheReferences) {
  ExpectSummary(Patchify(MakeSmallTransformer(), FirstChunk()), -21.176937, 469.556606, 616.046334,
                {{0, 0.381675}, {192, 1.102106}, {575, 0.825070}});
}

TEST(DiffusionTransformer, SinusoidsHaveCosinesFirst) {
  const double expected[16] = {0.262302132, 0.404996610, 0.878644910, -0.197470703, -0.998761333, -0.984383863,
                               0.591805075, 0.956375611, 0.964985799, 0.914318186,  -0.477475781, -0.980308789,
                               0.049757406, 0.176035255, 0.806081108, 0.292139848};
  const at::Tensor sinusoid = TimestepSinusoid(Timesteps({937.5}), 16);
  for (int i = 0; i < 16; ++i) EXPECT_NEAR(sinusoid[0][0][i].item<double>(), expected[i], 1e-8);
  // causal_wan_dit.md section 3, width 256, the fp32 timestep 833.33331298828125.
  const at::Tensor wide = TimestepSinusoid(Timesteps({833.33331298828125}), 256);
  EXPECT_NEAR(wide[0][0][0].item<double>(), -0.688585438, 1e-8);
  EXPECT_NEAR(wide[0][0][64].item<double>(), -0.461203859, 1e-8);
  EXPECT_NEAR(wide[0][0][255].item<double>(), 0.089431009, 1e-8);
}

TEST(DiffusionTransformer, TimeEmbeddingIsTheReferences) {
  ExpectSummary(EmbedTime(MakeSmallTransformer(), Timesteps({937.5})).e, -1.956144, 11.841058, 6.425672,
                {{0, -0.548018}, {31, -0.175185}});
}

TEST(DiffusionTransformer, TextEmbeddingIsTheReferencesAndPadsShortPrompts) {
  const DiffusionTransformer model = MakeSmallTransformer();
  const at::Tensor context = EmbedText(model, SmallPrompt());
  ExpectSummary(context, -7.030819, 38.040287, 11.614056, {{0, -0.202924}, {255, -0.077997}});
  EXPECT_TRUE(EmbedText(model, SmallPrompt().narrow(1, 0, 5)).equal(context));
}

TEST(DiffusionTransformer, UnpatchifyPutsTheChannelFastest) {
  const TransformerConfig config = SmallTransformerConfig();
  const at::Tensor tokens = FillUniform("tokens", {1, 18, 16});
  const at::Tensor latents = Unpatchify(config, tokens);
  ASSERT_EQ(latents.sizes().vec(), (std::vector<int64_t>{1, 3, 4, 4, 6}));
  // Frame 2, patch row 1, patch column 2 is token 2*6 + 1*3 + 2; channel 3 at (1, 0) of the patch is output
  // (1*2+0)*4+3.
  EXPECT_EQ(latents[0][2][3][3][4].item<float>(), tokens[0][17][11].item<float>());
}

TEST(DiffusionTransformer, FlowAndKeysOfTwoPassesAreTheReferences) {
  const DiffusionTransformer model = MakeSmallTransformer();
  const TextKeys text = MakeTextKeys(model, SmallPrompt());
  ExpectSummary(text[0].k, 16.183720, 204.975146, 251.317337, {{0, 0.220330}, {255, -1.950663}});

  PassInput pass;
  pass.latents = FirstChunk();
  pass.timesteps = Timesteps({937.5, 937.5, 937.5});
  pass.text = &text;
  const PassOutput first = RunPass(model, pass);
  ExpectSummary(first.flow, 58.759344, 277.393905, 399.534116,
                {{0, 0.493392}, {1, 0.890381}, {96, 1.771560}, {144, 0.156883}, {192, 2.245465}, {287, 0.475173}});
  ExpectSummary(first.keys[0].k, -14.795145, 475.710047, 586.760907,
                {{0, -0.267158}, {192, 0.920835}, {575, -0.126132}});
  ExpectSummary(first.keys[1].v, 29.262615, 527.391884, 740.496797, {{0, 1.217453}, {575, -0.072734}});

  pass.past = first.keys;
  pass.first_frame = 3;
  pass.timesteps = Timesteps({1000, 833.33331298828125, 0});
  ExpectSummary(RunPass(model, pass).flow, -23.334414, 309.055773, 520.215308,
                {{0, 0.046788}, {1, 0.647309}, {96, 0.254545}, {192, 2.347273}, {287, 0.642773}});
}

TEST(DiffusionTransformer, Acceptance1ATableOfAllTensIsTheDenseModelAndCallsNoRouter) {
  const DiffusionTransformer dense = MakeSmallTransformer();
  DiffusionTransformer routed = MakeSmallRoutedTransformer();
  for (BlockWeights& block : routed.weights.blocks) block.router->down.weight = at::Tensor();  // a call would throw
  const TextKeys text = MakeTextKeys(dense, SmallPrompt());
  PassInput pass;
  pass.latents = FirstChunk();
  pass.timesteps = Timesteps({937.5, 937.5, 937.5});
  pass.text = &text;
  const at::Tensor expected = RunPass(dense, pass).flow;
  pass.tenths = {10, 10};
  EXPECT_TRUE(RunPass(routed, pass).flow.equal(expected));
}

TEST(DiffusionTransformer, WindowRelativePositionsDoNotDependOnTheFrameNumber) {
  TransformerConfig config = SmallTransformerConfig();
  config.rope_positions = RopePositions::kWindowRelative;
  const DiffusionTransformer model = MakeSmallTransformer(config);
  const TextKeys text = MakeTextKeys(model, SmallPrompt());
  PassInput pass;
  pass.latents = FirstChunk();
  pass.timesteps = Timesteps({937.5, 937.5, 937.5});
  pass.text = &text;
  pass.past = RunPass(model, pass).keys;
  pass.first_frame = 3;
  const at::Tensor early = RunPass(model, pass).flow;
  pass.first_frame = 3000;
  EXPECT_TRUE(RunPass(model, pass).flow.equal(early));

  // With the window's frames equal to the video's, both kinds of positions are the same function.
  DiffusionTransformer absolute = model;
  absolute.config.rope_positions = RopePositions::kAbsolute;
  pass.past.clear();
  pass.first_frame = 0;
  pass.past = RunPass(absolute, pass).keys;
  pass.first_frame = 3;
  EXPECT_TRUE(at::allclose(RunPass(absolute, pass).flow, early, 1e-5, 1e-5));
}

TEST(DiffusionTransformer, AShortChunkRunsDenseAndRouted) {
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  const TextKeys text = MakeTextKeys(model, SmallPrompt());
  PassInput pass;
  pass.latents = FirstChunk().narrow(1, 0, 1);
  pass.timesteps = Timesteps({937.5});
  pass.text = &text;
  EXPECT_EQ(RunPass(model, pass).flow.size(1), 1);
  pass.tenths = {5, 5};
  EXPECT_EQ(RunPass(model, pass).kept[0].size(1), 3);
}

TEST(DiffusionTransformer, HalfPrecisionStaysHalfPrecisionAndNearby) {
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  DiffusionTransformer half = model;
  for (const WeightRow& row : TransformerWeightTable(half.config, &half.weights)) {
    *row.destination = row.destination->to(at::kBFloat16);
  }
  const TextKeys text = MakeTextKeys(model, SmallPrompt());
  const TextKeys half_text = MakeTextKeys(half, SmallPrompt());
  PassInput pass;
  pass.latents = FirstChunk();
  pass.timesteps = Timesteps({937.5, 937.5, 937.5});
  pass.text = &text;
  const at::Tensor expected = RunPass(model, pass).flow;
  pass.latents = pass.latents.to(at::kBFloat16);
  pass.text = &half_text;
  const at::Tensor flow = RunPass(half, pass).flow;
  EXPECT_EQ(flow.scalar_type(), at::kBFloat16);
  EXPECT_LT((flow.to(at::kFloat) - expected).abs().mean().item<double>(), 0.05);
}

TEST(DiffusionTransformer, GradientsFlowFromTheLossToEveryTransformerTensor) {
  DiffusionTransformer model = MakeSmallTransformer();
  const std::vector<WeightRow> rows = TransformerWeightTable(model.config, &model.weights);
  for (const WeightRow& row : rows) row.destination->set_requires_grad(true);
  const TextKeys text = MakeTextKeys(model, at::cat({SmallPrompt(), SmallPrompt()}));
  PassInput pass;
  pass.latents = FillNoise("latent", {2, 3, 4, 4, 6});
  pass.timesteps = at::full({2, 3}, 625.0, at::kDouble);
  pass.text = &text;
  RunPass(model, pass).flow.square().mean().backward();
  for (const WeightRow& row : rows) {
    ASSERT_TRUE(row.destination->grad().defined()) << row.name;
    EXPECT_TRUE(row.destination->grad().isfinite().all().item<bool>()) << row.name;
  }
}

}  // namespace
}  // namespace videodiffcr
