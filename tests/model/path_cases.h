// Shapes and rules on which a serving path must equal the plain path that reads like the paper.
#ifndef VIDEODIFFCR_TESTS_MODEL_PATH_CASES_H_
#define VIDEODIFFCR_TESTS_MODEL_PATH_CASES_H_

#include <ATen/ops/randn.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/config/retention_table.h"
#include "model/plain/rollout/few_step_sampler.h"

namespace videodiffcr::path_cases {

inline constexpr int64_t kRouterWidth = 8;

struct Case {
  std::string name;
  int64_t dim = 32, heads = 2, layers = 2, window = 9, sink = 0, chunk_frames = 3, height = 4, width = 6;
  RopePositions positions = RopePositions::kAbsolute;
  std::vector<int> layer_tenths;  // empty: dense
  RouterGate gate = RouterGate::kTwoSigmoid;
  KvMode kv_mode = KvMode::kKept;
  ContextMode context_mode = ContextMode::kDense;
  double frame_floor = 0;
  int64_t bypass_rank = 0;
};

inline const Case kCases[] = {
    {.name = "dense, no window reached", .window = 21},
    {.name = "window that is no multiple of the chunk", .window = 7, .sink = 1},
    {.name = "window of one chunk: no past at all", .window = 3},
    {.name = "past that is all sink", .window = 6, .sink = 3},
    {.name = "relative positions", .window = 8, .sink = 2, .positions = RopePositions::kWindowRelative},
    {.name = "two frames per chunk, odd rows",
     .dim = 36,
     .heads = 3,
     .window = 6,
     .chunk_frames = 2,
     .height = 6,
     .width = 10},
    {.name = "mode A", .layer_tenths = {8, 6}},
    {.name = "mode B", .layer_tenths = {7, 7}, .kv_mode = KvMode::kFull},
    {.name = "mode D", .layer_tenths = {8, 6}, .context_mode = ContextMode::kRoutedFullKv},
    {.name = "mode E", .layer_tenths = {6, 9}, .kv_mode = KvMode::kFull, .context_mode = ContextMode::kRoutedFullKv},
    {.name = "mode A over four blocks, relative positions",
     .layers = 4,
     .sink = 3,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {10, 8, 7, 6}},
    {.name = "no gate", .layer_tenths = {7, 5}, .gate = RouterGate::kNone},
    {.name = "plain sigmoid gate", .layer_tenths = {7, 5}, .gate = RouterGate::kSigmoid},
    {.name = "a floor for every frame", .layer_tenths = {5, 5}, .frame_floor = 0.9},
    {.name = "a light bypass", .layer_tenths = {7, 5}, .bypass_rank = 3},
    {.name = "a light bypass, keys of all tokens, relative positions, a routed context pass",
     .layers = 3,
     .sink = 3,
     .positions = RopePositions::kWindowRelative,
     .layer_tenths = {6, 10, 5},
     .kv_mode = KvMode::kFull,
     .context_mode = ContextMode::kRoutedFullKv,
     .bypass_rank = 8},
};

inline TransformerConfig ConfigOf(const Case& c) {
  TransformerConfig config;
  config.in_dim = config.out_dim = 4;
  config.dim = c.dim;
  config.ffn_dim = 2 * c.dim;
  config.freq_dim = 16;
  config.text_dim = 12;
  config.text_len = 7;
  config.num_heads = c.heads;
  config.num_layers = c.layers;
  config.chunk_frames = c.chunk_frames;
  config.latent_height = c.height;
  config.latent_width = c.width;
  config.window_frames = c.window;
  config.sink_frames = c.sink;
  config.rope_positions = c.positions;
  return config;
}

inline TransformerWeights RandomWeights(const TransformerConfig& config, int64_t bypass_rank = 0) {
  TransformerWeights weights;
  std::vector<WeightRow> rows = TransformerWeightTable(config, &weights);
  for (const WeightRow& row : RoutingWeightTable(config, kRouterWidth, bypass_rank, &weights)) rows.push_back(row);
  for (const WeightRow& row : rows) {
    const bool norm = row.shape.size() == 1 && row.name.ends_with(".weight");
    int64_t fan_in = 1;
    for (size_t i = 1; i < row.shape.size(); ++i) fan_in *= row.shape[i];
    const at::Tensor noise =
        at::randn(row.shape).mul(row.shape.size() < 2 ? 0.1 : 1.0 / std::sqrt(static_cast<double>(fan_in)));
    *row.destination = norm ? noise.add(1) : noise;
  }
  return weights;
}

inline SamplerOptions SamplerOptionsOf(const Case& c) {
  SamplerOptions options;
  options.schedule = *MakeStepSchedule({});
  options.routing = {c.gate, c.kv_mode, c.frame_floor};
  options.context_mode = c.context_mode;
  return options;
}

inline std::vector<at::Tensor> PlainLatents(const Case& c, const DiffusionTransformer& model,
                                            const RetentionTable& table, const at::Tensor& prompt,
                                            const std::vector<ChunkNoise>& noise) {
  const SamplerOptions options = SamplerOptionsOf(c);
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, prompt);
  std::vector<at::Tensor> latents;
  for (const ChunkNoise& draws : noise)
    latents.push_back(SampleChunk(model, options, table, draws, &state).latents.select(0, 0));
  return latents;
}

inline RetentionConfig RetentionOf(const Case& c) {
  RetentionConfig retention;
  retention.router_dim = kRouterWidth;
  retention.bypass_rank = c.bypass_rank;
  retention.gate = c.gate;
  retention.kv_mode = c.kv_mode;
  retention.context_mode = c.context_mode;
  retention.frame_floor = c.frame_floor;
  if (!c.layer_tenths.empty()) retention.tables = {MakeRetentionTable(7, c.layer_tenths, {-3, -1, 1, 3})};
  return retention;
}

inline RetentionTable TableOf(const Case& c) {
  return c.layer_tenths.empty() ? DenseRetentionTable(c.layers, 4)
                                : MakeRetentionTable(7, c.layer_tenths, {-3, -1, 1, 3});
}

// Five chunks of four draws.
inline std::vector<ChunkNoise> RandomNoise(const Case& c) {
  std::vector<ChunkNoise> noise(5);
  for (ChunkNoise& draws : noise) {
    for (int draw = 0; draw < 4; ++draw) draws.push_back(at::randn({1, c.chunk_frames, 4, c.height, c.width}));
  }
  return noise;
}

}  // namespace videodiffcr::path_cases

#endif  // VIDEODIFFCR_TESTS_MODEL_PATH_CASES_H_
