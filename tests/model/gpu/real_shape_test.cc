// The GPU path at the size of the real model, random weights: bf16 and fp8 against the plain path in fp32. Needs about
// 40 GB of GPU memory.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/isin.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "model/gpu/chunk_sampler.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "tests/model/imposed_tokens.h"

namespace videodiffcr::gpu {
namespace {

constexpr int64_t kRouterWidth = 64;
constexpr int kChunks = 3;

enum class Weights {
  // As the reference initialises the network (Xavier linears, time layers of 0.02, modulation of 1 / sqrt(D)), but for
  // the head, which starts at zero there.
  kReference,
  // Every linear keeps magnitudes, so that each block changes its rows as much as they are large: a token that one path
  // keeps and the other bypasses then differs altogether. Harsher than any trained network.
  kUnitGain,
};

double Deviation(Weights weights, const WeightRow& row) {
  const bool is_linear = row.shape.size() >= 2 && row.name.find("modulation") == std::string::npos;
  int64_t fan_in = 1;
  for (size_t i = 1; i < row.shape.size(); ++i) fan_in *= row.shape[i];
  if (weights == Weights::kUnitGain) return is_linear ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0.1;
  if (!is_linear) return row.shape.size() > 1 ? 1 / std::sqrt(static_cast<double>(row.shape.back())) : 0.0;
  if (row.name.starts_with("time_")) return 0.02;
  return std::sqrt(2.0 / static_cast<double>(fan_in + row.shape[0]));
}

TransformerWeights RandomWeights(const TransformerConfig& config, Weights kind) {
  TransformerWeights weights;
  std::vector<WeightRow> rows = TransformerWeightTable(config, &weights);
  for (const WeightRow& row : RouterWeightTable(config, kRouterWidth, &weights)) rows.push_back(row);
  for (const WeightRow& row : rows) {
    const bool norm = row.shape.size() == 1 && row.name.ends_with(".weight");
    const at::Tensor noise =
        at::randn(row.shape, at::TensorOptions(at::kCUDA).dtype(at::kFloat)).mul_(Deviation(kind, row));
    *row.destination = norm ? noise.add(1) : noise;
  }
  return weights;
}

using KeptSets = std::map<std::tuple<int, int, int64_t>, at::Tensor>;  // by chunk, step and layer

struct Video {
  std::vector<at::Tensor> latents;
  KeptSets kept;
};

struct Setting {
  DiffusionTransformer model;
  RetentionConfig retention;
  RetentionTable table;
  at::Tensor prompt;
  std::vector<std::vector<at::Tensor>> noise;  // [chunk][draw], [1, F, C, h, w]
};

Setting MakeSetting(Weights weights) {
  at::manual_seed(11);
  Setting s;
  s.model.config = TransformerConfig();
  s.model.weights = RandomWeights(s.model.config, weights);
  s.model.rotary_dtype = at::kDouble;
  s.retention.router_dim = kRouterWidth;
  s.table = MakeRetentionTable(7, std::vector<int>(s.model.config.num_layers, 7), {0, 0, 0, 0});
  const at::TensorOptions options = at::TensorOptions(at::kCUDA).dtype(at::kFloat);
  s.prompt = at::randn({1, 40, s.model.config.text_dim}, options);
  const TransformerConfig& c = s.model.config;
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    s.noise.emplace_back();
    for (int draw = 0; draw < 4; ++draw) {
      s.noise.back().push_back(at::randn({1, c.chunk_frames, c.in_dim, c.latent_height, c.latent_width}, options));
    }
  }
  return s;
}

// `selector`: see RoutingRule.
Video PlainVideo(const Setting& s, const RetentionTable& table, const TokenSelector& selector = {}) {
  SamplerOptions options;
  options.schedule = *MakeStepSchedule({});
  options.routing = {s.retention.gate, s.retention.kv_mode, s.retention.frame_floor, {}, selector};
  RolloutState state(s.model.config);
  state.text = MakeTextKeys(s.model, s.prompt);
  Video video;
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    const SampledChunk result = SampleChunk(s.model, options, table, s.noise[chunk], &state);
    video.latents.push_back(result.latents[0].clone());
    for (size_t step = 0; step < result.kept.size(); ++step) {
      for (size_t layer = 0; layer < result.kept[step].size(); ++layer) {
        const at::Tensor& kept = result.kept[step][layer];
        if (kept.defined()) {
          video.kept[{chunk, static_cast<int>(step), static_cast<int64_t>(layer)}] = kept[0].to(at::kInt);
        }
      }
    }
  }
  return video;
}

Video ServedVideo(const Setting& s, const RetentionTable& table, Precision precision, kernels::Element keys) {
  const StepSchedule schedule = *MakeStepSchedule({});
  const TransformerConfig& config = s.model.config;
  SessionPool pool(config, precision, keys, 1);
  GpuTransformer transformer(config, s.retention,
                             *MakeGpuWeights(config, s.model.weights, schedule.timesteps_and_context(), precision),
                             precision, keys, 1, 132);
  ChunkSampler engine(config, s.retention, schedule, &transformer, &pool);
  transformer.EncodeText(s.prompt[0], 0, pool);
  Video video;
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    std::vector<at::Tensor> noise;
    for (const at::Tensor& draw : s.noise[chunk]) noise.push_back(draw[0].contiguous());
    for (int step = 0; step <= engine.steps(); ++step) {
      std::vector<ChunkStep> steps(1);
      steps[0].step = step;
      steps[0].context_pass = step == engine.steps();
      steps[0].table = &table;
      steps[0].noise = &noise;
      if (steps[0].context_pass) video.latents.push_back(pool.latents(0).clone());
      engine.Run(steps, [&](int, int64_t layer, const at::Tensor& kept) {
        video.kept[{chunk, step, layer}] = kept.clone();
      });
    }
  }
  return video;
}

double Cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.flatten().to(at::kDouble), y = b.flatten().to(at::kDouble);
  return at::dot(x, y).item<double>() / (x.norm().item<double>() * y.norm().item<double>());
}

// Mean intersection over union of the kept sets.
double MeanOverlap(const KeptSets& a, const KeptSets& b) {
  double sum = 0;
  for (const auto& [where, kept] : a) {
    const at::Tensor& other = b.at(where);
    const double both = at::isin(kept, other).sum().item<double>();
    sum += both / (static_cast<double>(kept.numel() + other.numel()) - both);
  }
  return a.empty() ? 1.0 : sum / static_cast<double>(a.size());
}

double LeastCosine(const Video& a, const Video& b) {
  double least = 1;
  for (int chunk = 0; chunk < kChunks; ++chunk) least = std::min(least, Cosine(a.latents[chunk], b.latents[chunk]));
  return least;
}

void Compare(const char* name, const Video& want, const Video& got, double least_cosine, double least_overlap) {
  const double worst = LeastCosine(want, got);
  const double overlap = MeanOverlap(want.kept, got.kept);
  std::printf("%s: least cosine of %d chunks %.6f, kept sets' mean IoU %.4f\n", name, kChunks, worst, overlap);
  EXPECT_GE(worst, least_cosine) << name;
  EXPECT_GE(overlap, least_overlap) << name;
}

// The arithmetic alone: the plain path made to keep the tokens that `got` kept, gates by its own scores. A token that
// its scores would have exchanged had a score near the cut; how near is printed beside.
void CompareWithItsTokens(const char* name, const Setting& s, const RetentionTable& table, const Video& got,
                          double least_cosine) {
  std::vector<at::Tensor> kept;
  for (const auto& [where, tokens] : got.kept) kept.push_back(tokens);  // ascending: as the plain path runs
  ImposedTokens imposed(std::move(kept));
  const double worst = LeastCosine(PlainVideo(s, table, imposed.Selector()), got);
  EXPECT_TRUE(imposed.all_used()) << name;
  EXPECT_GE(worst, least_cosine) << name;
  std::printf("%s, its tokens imposed on the plain path: least cosine of %d chunks %.6f", name, kChunks, worst);
  const at::Tensor margins = imposed.Margins();
  const double differing = static_cast<double>(margins.numel());
  std::printf("; exchanged by the plain path's scores %.4f", differing / 2 / static_cast<double>(imposed.tokens()));
  if (differing > 0) {
    std::printf(", from the cut in deviations of the scores mean %.4f, most %.4f, below 2^-8 %.3f of them",
                margins.mean().item<double>(), margins.max().item<double>(),
                margins.lt(1.0 / 256).sum().item<double>() / differing);
  }
  std::printf("\n");
}

struct Bounds {
  double cosine, overlap;
};

const Bounds kBroken = {0.97, 0.85};  // fp8 is stated beside bf16; these only catch a break

// `routed` for bf16. Random routers have no margin: about one kept token in two hundred changes sides, and what it
// misses then is what the cosine of the routed video shows. CompareWithItsTokens() leaves that out; a plain video each,
// so for the reference's weights only.
void CompareAll(Weights weights, Bounds routed) {
  const at::NoGradGuard no_gradients;
  at::globalContext().setAllowTF32CuBLAS(false);
  const Setting s = MakeSetting(weights);
  using kernels::Element;
  for (const bool dense : {true, false}) {
    const RetentionTable table = dense ? DenseRetentionTable(s.model.config.num_layers, 4) : s.table;
    const Bounds bounds = dense ? Bounds{0.999, 1.0} : routed;
    const Video plain = PlainVideo(s, table);
    const auto serve_and_compare = [&](const char* name, Precision precision, Element keys, Bounds least) {
      Video served = ServedVideo(s, table, precision, keys);
      Compare(name, plain, served, least.cosine, least.overlap);
      return served;
    };
    const Video bf16 =
        serve_and_compare(dense ? "dense bf16" : "0.7 bf16", Precision::kBfloat16, Element::kBfloat16, bounds);
    serve_and_compare(dense ? "dense fp8 products" : "0.7 fp8 products", Precision::kFloat8, Element::kBfloat16,
                      kBroken);
    const Video fp8 = serve_and_compare(dense ? "dense fp8" : "0.7 fp8", Precision::kFloat8, Element::kFloat8, kBroken);
    if (dense || weights != Weights::kReference) continue;
    CompareWithItsTokens("0.7 bf16", s, table, bf16, 0.999);
    CompareWithItsTokens("0.7 fp8", s, table, fp8, kBroken.cosine);
  }
}

TEST(RealShapeTest, ThePathThatServesStaysCloseToThePlainPathInFp32) { CompareAll(Weights::kReference, {0.995, 0.98}); }

TEST(RealShapeTest, BlocksThatChangeEverythingStillKeepTheSameTokens) { CompareAll(Weights::kUnitGain, {0.99, 0.98}); }

}  // namespace
}  // namespace videodiffcr::gpu
