#include "model/load/model_folder.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/config/model_config.h"
#include "model/load/decoders.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {
absl::StatusOr<TransformerWeights> LoadTransformerOf(const std::string& folder, const ModelConfig& config,
                                                     const WeightOptions& options) {
  absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(absl::StrCat(folder, "/", config.transformer_file));
  if (!file.ok()) return file.status();
  absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(*file, config.transformer, options);
  if (!weights.ok() || config.retention.file.empty()) return weights;
  absl::StatusOr<SafetensorsReader> routers = SafetensorsReader::Open(absl::StrCat(folder, "/", config.retention.file));
  if (!routers.ok()) return routers.status();
  const absl::Status loaded = LoadRouterWeights(*routers, config.transformer, config.retention.router_dim,
                                                config.retention.bypass_rank, options, &*weights);
  if (!loaded.ok()) return loaded;
  return weights;
}

absl::Status CheckServable(const std::string& folder) {
  const std::string student = folder + "/student.safetensors";
  if (std::error_code error; !std::filesystem::exists(student, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(student,
                   ": a model that takes tokens out in a way of its own is for comparison and has no serving path; "
                   "videodiffcr-train evaluate --plain judges it"));
}

absl::StatusOr<ModelParts> LoadModelFolder(const std::string& folder, const ModelPlacement& placement,
                                           bool truncate_prompts) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return config.status();
  const auto path = [&folder](const std::string& file) { return absl::StrCat(folder, "/", file); };
  if (absl::Status servable = CheckServable(folder); !servable.ok()) return servable;

  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::LoadFromFolder(folder, *config, truncate_prompts);
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
  absl::StatusOr<TransformerWeights> transformer = LoadTransformerOf(folder, *config, transformer_options);
  if (!transformer.ok()) return transformer.status();

  VideoDecoderOptions decoder_options;
  decoder_options.latent_height = config->transformer.latent_height;
  decoder_options.latent_width = config->transformer.latent_width;
  decoder_options.dtype = placement.decoder_type;
  decoder_options.device = placement.device;
  absl::StatusOr<std::unique_ptr<const VideoDecoder>> decoder =
      LoadVideoDecoder(folder, config->decoder, decoder_options);
  if (!decoder.ok()) return decoder.status();
  return ModelParts{*std::move(config), *std::move(tokenizer), *std::move(text_encoder), *std::move(decoder),
                    *std::move(transformer)};
}

}  // namespace videodiffcr
