#include "model/folder/model_folder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/config/retention_table.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {
namespace {

absl::StatusOr<TransformerWeights> LoadTransformer(const std::string& folder, const ModelConfig& config,
                                                   const WeightOptions& options) {
  absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(absl::StrCat(folder, "/", config.transformer_file));
  if (!file.ok()) return file.status();
  absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(*file, config.transformer, options);
  if (!weights.ok() || config.retention.file.empty()) return weights;
  absl::StatusOr<SafetensorsReader> routers = SafetensorsReader::Open(absl::StrCat(folder, "/", config.retention.file));
  if (!routers.ok()) return routers.status();
  const absl::Status loaded =
      LoadRouterWeights(*routers, config.transformer, config.retention.router_dim, options, &*weights);
  if (!loaded.ok()) return loaded;
  return weights;
}

}  // namespace

absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& folder, const ModelPlacement& placement) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return config.status();
  const auto path = [&folder](const std::string& file) { return absl::StrCat(folder, "/", file); };

  TokenizerOptions tokenizer_options;
  tokenizer_options.cleaning = config->tokenizer.cleaning;
  tokenizer_options.max_tokens = config->transformer.text_len;
  tokenizer_options.embedding_rows = config->text_encoder.vocab_size;
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(path(config->tokenizer.file), tokenizer_options);
  if (!tokenizer.ok()) return tokenizer.status();

  WeightOptions text_options;
  text_options.dtype = placement.text_type;
  text_options.device = placement.device;
  absl::StatusOr<SafetensorsReader> text_file = SafetensorsReader::Open(path(config->text_encoder_file));
  if (!text_file.ok()) return text_file.status();
  absl::StatusOr<TextEncoderWeights> text_encoder =
      LoadTextEncoderWeights(*text_file, config->text_encoder, text_options);
  if (!text_encoder.ok()) return text_encoder.status();

  WeightOptions transformer_options;
  transformer_options.dtype = placement.transformer_type;
  transformer_options.device = placement.device;
  absl::StatusOr<TransformerWeights> transformer = LoadTransformer(folder, *config, transformer_options);
  if (!transformer.ok()) return transformer.status();

  VideoDecoderOptions decoder_options;
  decoder_options.latent_height = config->transformer.latent_height;
  decoder_options.latent_width = config->transformer.latent_width;
  decoder_options.dtype = placement.decoder_type;
  decoder_options.device = placement.device;
  absl::StatusOr<std::unique_ptr<const VideoDecoder>> decoder =
      LoadVideoDecoder(folder, config->decoder, decoder_options);
  if (!decoder.ok()) return decoder.status();
  return ModelFolder{*std::move(config), *std::move(tokenizer), *std::move(text_encoder), *std::move(decoder),
                     *std::move(transformer)};
}

ModelInfo DescribeModel(const ModelFolder& model, const std::string& device) {
  const ModelConfig& config = model.config;
  ModelInfo info;
  info.name = config.name;
  info.description = config.description;
  info.device = device;
  info.width = static_cast<int>(config.pixel_width());
  info.height = static_cast<int>(config.pixel_height());
  info.frames_per_second = config.frames_per_second;
  info.first_chunk_frames = static_cast<int>(config.first_chunk_frames());
  info.chunk_frames = static_cast<int>(config.later_chunk_frames());
  info.denoise_steps = static_cast<int>(config.sampling.denoise_steps.size());
  info.tokens_per_chunk = config.transformer.tokens_per_chunk();
  info.window_tokens = config.transformer.window_tokens();
  info.budgets.push_back({kDenseTenths, 1.0});
  for (const RetentionTable& table : config.retention.tables) {
    info.budgets.push_back({table.nominal, ExecutedRetention(table, info.tokens_per_chunk)});
  }
  info.max_prompt_tokens = static_cast<int>(config.transformer.text_len);
  info.vocabulary = model.tokenizer.vocabulary();
  info.example_prompts = config.example_prompts;
  return info;
}

}  // namespace videodiffcr
