#include "training/model/training_model.h"

#include <ATen/Context.h>
#include <ATen/ops/tensor.h>

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {
namespace {

absl::Status CheckKind(const ModelConfig& config, const std::string& folder) {
  if (config.decoder.kind == DecoderKind::kPixelShuffleTaehv && config.pixel_width() == kSceneWidth &&
      config.pixel_height() == kSceneHeight) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(folder, ": ", config.pixel_width(), "x", config.pixel_height(),
                                                    " pixels; scenes are made for models of ", kSceneWidth, "x",
                                                    kSceneHeight, " with a pixel_shuffle_taehv decoder"));
}

absl::StatusOr<DiffusionTransformer> ReadTransformer(const std::string& folder, const ModelConfig& config,
                                                     const WeightOptions& options) {
  const auto file = SafetensorsReader::Open(folder + "/" + config.transformer_file);
  if (!file.ok()) return file.status();
  absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(*file, config.transformer, options);
  if (!weights.ok()) return weights.status();
  return DiffusionTransformer{config.transformer, *std::move(weights), at::kFloat};
}

// Whether a stage can build on a model folder.
absl::Status CheckNoStudent(const std::string& folder) {
  const std::string student = folder + "/student.safetensors";
  if (std::error_code error; !std::filesystem::exists(student, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(student, ": nothing can be built on a model that takes tokens out in a way of its own"));
}

absl::Status CheckWholeCache(const ModelConfig& config, const std::string& folder) {
  const absl::Status whole = RequireWholeCache(config.retention.cache, "training");
  return whole.ok() ? whole : absl::Status(whole.code(), absl::StrCat(folder, "/config.json: ", whole.message()));
}

}  // namespace

absl::StatusOr<TrainingModel> LoadTrainingModel(const std::string& folder, at::Device device) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return config.status();
  if (absl::Status kind = CheckKind(*config, folder); !kind.ok()) return kind;
  WeightOptions options;
  options.device = device;
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::LoadFromFolder(folder, *config);
  if (!tokenizer.ok()) return tokenizer.status();

  const auto text_file = SafetensorsReader::Open(folder + "/" + config->text_encoder_file);
  if (!text_file.ok()) return text_file.status();
  auto text_encoder = LoadTextEncoderWeights(*text_file, config->text_encoder, options);
  if (!text_encoder.ok()) return text_encoder.status();

  absl::StatusOr<DiffusionTransformer> transformer = ReadTransformer(folder, *config, options);
  if (!transformer.ok()) return transformer.status();

  const auto autoencoder_file = SafetensorsReader::Open(folder + "/" + config->decoder.file);
  if (!autoencoder_file.ok()) return autoencoder_file.status();
  auto encoder = LoadPixelShuffleEncoder(*autoencoder_file, options);
  if (!encoder.ok()) return encoder.status();
  auto decoder = LoadPixelShuffleDecoder(*autoencoder_file, options);
  if (!decoder.ok()) return decoder.status();

  auto schedule = MakeStepSchedule(config->sampling);
  if (!schedule.ok()) return schedule.status();
  return TrainingModel{*std::move(config),
                       *std::move(tokenizer),
                       *std::move(text_encoder),
                       *std::move(transformer),
                       *std::move(encoder),
                       *std::move(decoder),
                       *std::move(schedule),
                       device,
                       false};
}

absl::StatusOr<TrainingModel> LoadTrainingModel(const StageOptions& stage) {
  const absl::StatusOr<at::Device> device = ParseDevice(stage.device);
  if (!device.ok()) return device.status();
  if (absl::Status none = CheckNoStudent(stage.model); !none.ok()) return none;
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(stage.model, *device);
  if (!model.ok()) return model.status();
  if (absl::Status whole = CheckWholeCache(model->config, stage.model); !whole.ok()) return whole;
  return model;
}

absl::StatusOr<TrainingModel> LoadRolloutModel(const StageOptions& stage) {
  const absl::StatusOr<at::Device> device = ParseDevice(stage.device);
  if (!device.ok()) return device.status();
  if (absl::Status none = CheckNoStudent(stage.model); !none.ok()) return none;
  absl::StatusOr<ModelConfig> config = LoadModelConfig(stage.model);
  if (!config.ok()) return config.status();
  if (absl::Status whole = CheckWholeCache(*config, stage.model); !whole.ok()) return whole;
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::LoadFromFolder(stage.model, *config);
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(config->sampling);
  if (!schedule.ok()) return schedule.status();
  absl::StatusOr<DiffusionTransformer> transformer = LoadTransformer(stage.model, *device, at::kFloat);
  if (!transformer.ok()) return transformer.status();
  return TrainingModel{*std::move(config),
                       *std::move(tokenizer),
                       {},
                       *std::move(transformer),
                       {},
                       {},
                       *std::move(schedule),
                       *device,
                       false};
}

absl::StatusOr<DiffusionTransformer> LoadTransformer(const std::string& folder, at::Device device,
                                                     at::ScalarType dtype) {
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return config.status();
  WeightOptions options;
  options.device = device;
  options.dtype = dtype;
  return ReadTransformer(folder, *config, options);
}

absl::Status LoadRouters(const std::string& folder, TrainingModel* model) {
  const RetentionConfig& retention = model->config.retention;
  if (retention.file.empty() || retention.tables.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(folder, "/config.json: no routers or no budgets below 1"));
  }
  const auto file = SafetensorsReader::Open(folder + "/" + retention.file);
  if (!file.ok()) return file.status();
  WeightOptions options;
  options.device = model->device;
  return LoadRouterWeights(*file, model->config.transformer, retention.router_dim, retention.bypass_rank, options,
                           &model->transformer.weights);
}

absl::Status CheckWindowRelative(const TransformerConfig& config, const std::string& folder) {
  if (config.rope_positions == RopePositions::kWindowRelative && config.window_frames == 4 * config.chunk_frames &&
      config.sink_frames == config.chunk_frames) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(folder, "/config.json: training needs rope_positions \"window_relative\", a window of four chunks (",
                   4 * config.chunk_frames, " frames, not ", config.window_frames, ") and a sink of one (not ",
                   config.sink_frames, " frames)"));
}

absl::StatusOr<at::Device> ParseDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  if (name == "cuda" && at::globalContext().hasCUDA()) return at::Device(at::kCUDA, 0);
  return WrongUsageError(absl::StrCat("--device ", name, ": must be cpu",
                                      name == "cuda" ? "; this build or machine has no CUDA" : " or cuda"));
}

TextEncoderWeights TextEncoderOnCpu(const TrainingModel& model) {
  TextEncoderWeights weights = model.text_encoder;
  for (const WeightRow& row : TextEncoderWeightTable(model.config.text_encoder, &weights)) {
    *row.destination = row.destination->cpu();
  }
  return weights;
}

absl::StatusOr<CaptionTokens> TokenizeCaptions(const TrainingModel& model, const std::vector<std::string>& captions) {
  std::map<std::string, int64_t> numbers;
  std::vector<std::vector<int32_t>> ids;
  std::vector<int64_t> rows;
  for (const std::string& caption : captions) {
    const auto [number, is_new] = numbers.try_emplace(caption, static_cast<int64_t>(ids.size()));
    rows.push_back(number->second);
    if (!is_new) continue;
    absl::StatusOr<TokenizedPrompt> tokens = model.tokenizer.Tokenize(caption);
    if (!tokens.ok()) return tokens.status();
    ids.push_back(std::move(tokens->ids));
  }
  absl::StatusOr<PaddedPrompts> prompts = PadPrompts(model.config.text_encoder, ids, model.config.transformer.text_len);
  if (!prompts.ok()) return prompts.status();
  return CaptionTokens{*std::move(prompts), at::tensor(rows, at::kLong)};
}

at::Tensor EncodeCaptions(const TrainingModel& model, const TextEncoderWeights& weights, const CaptionTokens& tokens) {
  const at::Tensor encoded =
      EncodePaddedPrompts(model.config.text_encoder, weights, tokens.prompts, model.config.transformer.text_len);
  return encoded.index_select(0, tokens.rows.to(encoded.device(), at::kLong, /*non_blocking=*/true));
}

absl::StatusOr<at::Tensor> EncodeCaptions(const TrainingModel& model, const std::vector<std::string>& captions) {
  return EncodeCaptions(model, model.text_encoder, captions);
}

absl::StatusOr<at::Tensor> EncodeCaptions(const TrainingModel& model, const TextEncoderWeights& weights,
                                          const std::vector<std::string>& captions) {
  const absl::StatusOr<CaptionTokens> tokens = TokenizeCaptions(model, captions);
  if (!tokens.ok()) return tokens.status();
  return EncodeCaptions(model, weights, *tokens);
}

TextKeys KeysOfChunk(const TextKeys& all, int64_t clips, int64_t chunk) {
  TextKeys keys;
  for (const KeysValues& block : all) {
    keys.push_back({block.k.narrow(0, chunk * clips, clips), block.v.narrow(0, chunk * clips, clips)});
  }
  return keys;
}

}  // namespace videodiffcr::training
