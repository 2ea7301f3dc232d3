#include "parity/rollout_case_settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/config/json_fields.h"
#include "model/config/noise_schedule.h"
#include "model/weights/weight_table.h"
#include "system/bounded_json.h"

namespace videodiffcr {

namespace {

constexpr char kWeightsPrefix[] = "weights.";

// Takes the setting `key` if it is there: one of `names`.
template <typename Enum>
absl::Status ReadChoice(const SafetensorsReader& file, const char* key,
                        const std::vector<std::pair<const char*, Enum>>& names, Enum* value) {
  const std::optional<std::string> text = FindCaseSetting(file, key);
  if (!text) return absl::OkStatus();
  for (const auto& [name, choice] : names) {
    if (*text == name) {
      *value = choice;
      return absl::OkStatus();
    }
  }
  return CaseError(file, absl::StrCat(key, ": \"", *text, "\" is not known"));
}

absl::StatusOr<TransformerConfig> ReadConfig(const SafetensorsReader& file) {
  absl::StatusOr<TransformerConfig> config =
      ParseTransformerConfig(FindCaseSetting(file, "config").value_or("the entry config is missing"));
  if (!config.ok()) return CaseError(file, absl::StrCat("config: ", config.status().message()));
  // The settings around `config` say more than it does.
  const absl::StatusOr<int64_t> window = CaseInteger(file, "window_frames", config->window_frames);
  if (!window.ok()) return window.status();
  const absl::StatusOr<int64_t> sink = CaseInteger(file, "sink_frames", config->sink_frames);
  if (!sink.ok()) return sink.status();
  config->window_frames = *window;
  config->sink_frames = *sink;
  if (const std::optional<std::string> text = FindCaseSetting(file, "latent_hw")) {
    const absl::StatusOr<TransformerConfig> sizes =
        ParseTransformerConfig(absl::StrCat("{\"latent_hw\": ", *text, "}"));
    if (!sizes.ok()) return CaseError(file, absl::StrCat("latent_hw: ", sizes.status().message()));
    config->latent_height = sizes->latent_height;
    config->latent_width = sizes->latent_width;
  }
  absl::Status status = ReadChoice<RopePositions>(
      file, "rope_positions",
      {{"absolute", RopePositions::kAbsolute}, {"window_relative", RopePositions::kWindowRelative}},
      &config->rope_positions);
  if (!status.ok()) return status;
  status = config->Validate();
  if (!status.ok()) return CaseError(file, absl::StrCat(status.message()));
  return config;
}

// "[1000, 500]": nominal steps before warping. Without the setting they are the four of SamplingConfig.
absl::Status ReadSteps(const SafetensorsReader& file, SamplingConfig* sampling) {
  const std::optional<std::string> text = FindCaseSetting(file, "denoise_steps");
  if (text) {
    const absl::StatusOr<nlohmann::json> steps = ParseBoundedJson(*text, /*max_depth=*/2);
    if (!steps.ok()) return CaseError(file, absl::StrCat("denoise_steps: ", steps.status().message()));
    const bool numbers = steps->is_array() && !steps->empty() &&
                         std::all_of(steps->begin(), steps->end(), [](const auto& step) { return step.is_number(); });
    if (!numbers) return CaseError(file, absl::StrCat("denoise_steps: ", *text, "; must be a list of numbers"));
    sampling->denoise_steps = steps->get<std::vector<double>>();
  }
  const absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(*sampling);
  return schedule.ok() ? absl::OkStatus() : CaseError(file, absl::StrCat(schedule.status().message()));
}

absl::Status ReadModes(const SafetensorsReader& file, RolloutCase* out) {
  const absl::StatusOr<double> shift = CaseNumber(file, "shift", out->sampling.shift);
  if (!shift.ok()) return shift.status();
  if (!(*shift > 0)) return CaseError(file, absl::StrCat("shift: ", *shift, "; must be positive"));
  out->sampling.shift = *shift;
  const absl::StatusOr<double> frame_floor = CaseNumber(file, "frame_floor", out->routing.frame_floor);
  if (!frame_floor.ok()) return frame_floor.status();
  if (!(*frame_floor >= 0 && *frame_floor <= 1)) return CaseError(file, "frame_floor must be from 0 to 1");
  out->routing.frame_floor = *frame_floor;
  absl::Status status =
      ReadChoice<KvMode>(file, "kv_mode", {{"kept", KvMode::kKept}, {"full", KvMode::kFull}}, &out->routing.kv_mode);
  status.Update(ReadChoice<ContextMode>(
      file, "ctx_mode", {{"dense", ContextMode::kDense}, {"routed_full_kv", ContextMode::kRoutedFullKv}},
      &out->context_mode));
  status.Update(ReadChoice<RouterGate>(
      file, "gate",
      {{"two_sigmoid", RouterGate::kTwoSigmoid}, {"sigmoid", RouterGate::kSigmoid}, {"none", RouterGate::kNone}},
      &out->routing.gate));
  return status;
}

// `in.retention_table` [layers, steps + 1] in tenths; without it everything is dense.
absl::Status ReadTable(const SafetensorsReader& file, RolloutCase* out) {
  const int64_t steps = static_cast<int64_t>(out->sampling.denoise_steps.size());
  out->table = DenseRetentionTable(out->config.num_layers, steps);
  if (!file.Find("in.retention_table").ok()) return absl::OkStatus();
  const absl::StatusOr<TensorEntry> entry = file.Find("in.retention_table", {out->config.num_layers, steps + 1});
  if (!entry.ok()) return entry.status();
  const at::Tensor tenths = CopyToTensor(*entry).to(at::kDouble);
  for (int64_t layer = 0; layer < tenths.size(0); ++layer) {
    for (int64_t pass = 0; pass < tenths.size(1); ++pass) {
      const double value = tenths[layer][pass].item<double>();
      if (!(value >= 1 && value <= kDenseTenths)) {
        return CaseError(file, absl::StrCat("in.retention_table holds ", value, "; must be 1 to 10 tenths"));
      }
      out->table.tenths[layer][pass] = static_cast<int>(value);
    }
  }
  const absl::StatusOr<TensorEntry> down = file.Find("weights.blocks.0.router.down.weight");
  if (!down.ok()) return down.status();
  const int64_t router_dim = down->shape.empty() ? 0 : down->shape[0];
  WeightOptions options;
  options.device = out->weights.head.weight.device();
  options.prefix = kWeightsPrefix;
  return LoadRouterWeights(file, out->config, router_dim, /*bypass_rank=*/0, options, &out->weights);
}

// [rows, text_dim] -> [1, rows, text_dim].
absl::StatusOr<at::Tensor> ReadPrompt(const SafetensorsReader& file, const char* name, const TransformerConfig& config,
                                      at::Device device) {
  const absl::StatusOr<at::Tensor> prompt = ReadCaseTensor(file, name, 2);
  if (!prompt.ok()) return prompt.status();
  if (prompt->size(0) > config.text_len || prompt->size(1) != config.text_dim) {
    return CaseError(file, absl::StrCat("tensor ", name, " has shape [", absl::StrJoin(prompt->sizes(), ","),
                                        "]; must be [at most ", config.text_len, ",", config.text_dim, "]"));
  }
  return prompt->unsqueeze(0).to(device);
}

absl::Status ReadPrompts(const SafetensorsReader& file, at::Device device, RolloutCase* out) {
  absl::StatusOr<at::Tensor> prompt = ReadPrompt(file, "in.prompt", out->config, device);
  if (!prompt.ok()) return prompt.status();
  out->prompt = *std::move(prompt);
  const absl::StatusOr<int64_t> switch_at = CaseInteger(file, "switch_at_chunk", -1);
  if (!switch_at.ok()) return switch_at.status();
  out->switch_at_chunk = *switch_at;
  if (*switch_at < 0) return absl::OkStatus();
  prompt = ReadPrompt(file, "in.prompt_switched", out->config, device);
  if (!prompt.ok()) return prompt.status();
  out->prompt_switched = *std::move(prompt);
  return absl::OkStatus();
}

// `in.noise` [F, C, h, w] and `in.renoise` [(steps - 1) per chunk, chunk frames, C, h, w] to one list per chunk.
absl::Status ReadNoise(const SafetensorsReader& file, at::Device device, RolloutCase* out) {
  const TransformerConfig& config = out->config;
  const absl::StatusOr<at::Tensor> noise = ReadCaseTensor(file, "in.noise", 4);
  if (!noise.ok()) return noise.status();
  const int64_t chunks = noise->size(0) / config.chunk_frames;
  const int64_t draws = static_cast<int64_t>(out->sampling.denoise_steps.size()) - 1;
  if (chunks < 1) return CaseError(file, "in.noise holds no whole chunk");
  const std::vector<int64_t> shape = {chunks * config.chunk_frames, config.in_dim, config.latent_height,
                                      config.latent_width};
  if (const auto checked = file.Find("in.noise", shape); !checked.ok()) return checked.status();
  at::Tensor added;  // stays undefined with one step, which draws nothing more
  if (draws > 0) {
    const absl::StatusOr<TensorEntry> renoise =
        file.Find("in.renoise", {chunks * draws, config.chunk_frames, shape[1], shape[2], shape[3]});
    if (!renoise.ok()) return renoise.status();
    added = CopyToTensor(*renoise).to(device, at::kFloat);
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    ChunkNoise of_chunk = {noise->narrow(0, chunk * config.chunk_frames, config.chunk_frames).unsqueeze(0).to(device)};
    for (int64_t draw = 0; draw < draws; ++draw) of_chunk.push_back(added.narrow(0, chunk * draws + draw, 1));
    out->noise.push_back(std::move(of_chunk));
  }
  return absl::OkStatus();
}

}  // namespace

RetentionConfig RolloutCase::Retention() const {
  RetentionConfig retention;
  retention.gate = routing.gate;
  retention.kv_mode = routing.kv_mode;
  retention.frame_floor = routing.frame_floor;
  retention.context_mode = context_mode;
  for (const BlockWeights& block : weights.blocks) {
    if (block.router.has_value()) retention.router_dim = block.router->down.weight.size(0);
  }
  return retention;
}

absl::StatusOr<RolloutCase> ReadRolloutCase(const SafetensorsReader& file, at::Device device) {
  RolloutCase out;
  absl::StatusOr<TransformerConfig> config = ReadConfig(file);
  if (!config.ok()) return config.status();
  out.config = *config;
  WeightOptions options;
  options.device = device;
  options.prefix = kWeightsPrefix;
  absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(file, out.config, options);
  if (!weights.ok()) return weights.status();
  out.weights = *std::move(weights);
  absl::Status status = ReadModes(file, &out);
  if (status.ok()) status = ReadSteps(file, &out.sampling);
  if (status.ok()) status = ReadTable(file, &out);
  if (status.ok()) status = ReadPrompts(file, device, &out);
  if (status.ok()) status = ReadNoise(file, device, &out);
  if (!status.ok()) return status;
  return out;
}

std::string KeptOutputName(int64_t chunk, int64_t step, int64_t layer) {
  return absl::StrCat("out.kept_chunk", chunk, "_step", step, "_layer", layer);
}

}  // namespace videodiffcr
