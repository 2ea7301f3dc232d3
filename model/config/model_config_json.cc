// config.json to ModelConfig and back: which keys there are. What values may be is ModelConfig::Validate()'s part.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "model/config/enum_names.h"
#include "model/config/json_fields.h"
#include "model/config/model_config.h"
#include "model/config/model_config_file.h"
#include "model/config/retention_json.h"
#include "system/bounded_json.h"

namespace videodiffcr {

namespace {

using nlohmann::json;

constexpr int kFormatVersion = 1;

const EnumNames<RopePositions>& RopePositionsNames() {
  static const auto& names = *new EnumNames<RopePositions>{{RopePositions::kAbsolute, "absolute"},
                                                           {RopePositions::kWindowRelative, "window_relative"}};
  return names;
}
const EnumNames<PromptCleaning>& PromptCleaningNames() {
  static const auto& names =
      *new EnumNames<PromptCleaning>{{PromptCleaning::kWhitespace, "whitespace"}, {PromptCleaning::kWords, "words"}};
  return names;
}
const EnumNames<DecoderKind>& DecoderKindNames() {
  static const auto& names = *new EnumNames<DecoderKind>{{DecoderKind::kWanVae, "wan_vae"},
                                                         {DecoderKind::kTaehv, "taehv"},
                                                         {DecoderKind::kPixelShuffleTaehv, "pixel_shuffle_taehv"}};
  return names;
}
void ReadTransformerSizes(JsonFields* fields, Presence presence, TransformerConfig* config) {
  fields->Read("in_dim", &config->in_dim, presence);
  fields->Read("out_dim", &config->out_dim, presence);
  fields->Read("dim", &config->dim, presence);
  fields->Read("ffn_dim", &config->ffn_dim, presence);
  fields->Read("freq_dim", &config->freq_dim, presence);
  fields->Read("text_dim", &config->text_dim, presence);
  fields->Read("text_len", &config->text_len, presence);
  fields->Read("num_heads", &config->num_heads, presence);
  fields->Read("num_layers", &config->num_layers, presence);
  fields->Read("eps", &config->eps, presence);
  fields->Read("patch_height", &config->patch_height, Presence::kOptional);
  fields->Read("patch_width", &config->patch_width, Presence::kOptional);
  fields->Read("chunk_frames", &config->chunk_frames, presence);
  fields->Read("window_frames", &config->window_frames, presence);
  fields->Read("sink_frames", &config->sink_frames, presence);
  fields->ReadEnum("rope_positions", RopePositionsNames(), &config->rope_positions, presence);
  std::vector<int64_t> latent_hw = {config->latent_height, config->latent_width};
  fields->Read("latent_hw", &latent_hw, presence);
  if (latent_hw.size() != 2) {
    return fields->Fail("latent_hw", absl::StrCat(latent_hw.size(), " numbers; must be [height, width]"));
  }
  config->latent_height = latent_hw[0];
  config->latent_width = latent_hw[1];
}

void ReadTextEncoderSizes(JsonFields* fields, Presence presence, TextEncoderConfig* config) {
  fields->Read("vocab_size", &config->vocab_size, presence);
  fields->Read("dim", &config->dim, presence);
  fields->Read("dim_attn", &config->dim_attn, presence);
  fields->Read("dim_ffn", &config->dim_ffn, presence);
  fields->Read("num_heads", &config->num_heads, presence);
  fields->Read("num_layers", &config->num_layers, presence);
  fields->Read("num_buckets", &config->num_buckets, presence);
  fields->Read("max_distance", &config->max_distance, Presence::kOptional);
  fields->Read("eps", &config->eps, Presence::kOptional);
}

void ReadDecoder(const json& object, JsonFields* parent, DecoderConfig* config) {
  JsonFields fields(object, "decoder");
  fields.ReadEnum("kind", DecoderKindNames(), &config->kind);
  fields.Read("file", &config->file);
  fields.Read("z_dim", &config->z_dim);
  fields.Read("temporal_factor", &config->temporal_factor);
  fields.Read("spatial_factor", &config->spatial_factor);
  if (config->kind == DecoderKind::kWanVae) {
    fields.Read("base_dim", &config->base_dim);
    fields.Read("dim_mult", &config->dim_mult);
  }
  parent->Merge(fields.Finish());
}

void ReadParts(JsonFields* top, ModelConfig* config) {
  if (const json* part = top->ReadObject("transformer")) {
    JsonFields fields(*part, "transformer");
    fields.Read("file", &config->transformer_file);
    ReadTransformerSizes(&fields, Presence::kRequired, &config->transformer);
    top->Merge(fields.Finish());
  }
  if (const json* part = top->ReadObject("text_encoder")) {
    JsonFields fields(*part, "text_encoder");
    fields.Read("file", &config->text_encoder_file);
    ReadTextEncoderSizes(&fields, Presence::kRequired, &config->text_encoder);
    top->Merge(fields.Finish());
  }
  if (const json* part = top->ReadObject("tokenizer")) {
    JsonFields fields(*part, "tokenizer");
    fields.Read("file", &config->tokenizer.file);
    fields.ReadEnum("cleaning", PromptCleaningNames(), &config->tokenizer.cleaning);
    top->Merge(fields.Finish());
  }
  if (const json* part = top->ReadObject("decoder")) ReadDecoder(*part, top, &config->decoder);
  if (const json* part = top->ReadObject("sampling")) {
    JsonFields fields(*part, "sampling");
    fields.Read("shift", &config->sampling.shift);
    fields.Read("denoise_steps", &config->sampling.denoise_steps);
    top->Merge(fields.Finish());
  }
  // A folder without this part is a dense model.
  if (const json* part = top->ReadObject("retention", Presence::kOptional)) {
    ReadRetention(*part, top, &config->retention);
  }
}

nlohmann::ordered_json FormatTransformer(const ModelConfig& config) {
  const TransformerConfig& sizes = config.transformer;
  return {{"file", config.transformer_file},
          {"in_dim", sizes.in_dim},
          {"out_dim", sizes.out_dim},
          {"dim", sizes.dim},
          {"ffn_dim", sizes.ffn_dim},
          {"freq_dim", sizes.freq_dim},
          {"text_dim", sizes.text_dim},
          {"text_len", sizes.text_len},
          {"num_heads", sizes.num_heads},
          {"num_layers", sizes.num_layers},
          {"eps", sizes.eps},
          {"patch_height", sizes.patch_height},
          {"patch_width", sizes.patch_width},
          {"chunk_frames", sizes.chunk_frames},
          {"latent_hw", {sizes.latent_height, sizes.latent_width}},
          {"window_frames", sizes.window_frames},
          {"sink_frames", sizes.sink_frames},
          {"rope_positions", NameOf(RopePositionsNames(), sizes.rope_positions)}};
}

nlohmann::ordered_json FormatDecoder(const DecoderConfig& decoder) {
  nlohmann::ordered_json text = {{"kind", NameOf(DecoderKindNames(), decoder.kind)},
                                 {"file", decoder.file},
                                 {"z_dim", decoder.z_dim},
                                 {"temporal_factor", decoder.temporal_factor},
                                 {"spatial_factor", decoder.spatial_factor}};
  if (decoder.kind == DecoderKind::kWanVae) {
    text["base_dim"] = decoder.base_dim;
    text["dim_mult"] = decoder.dim_mult;
  }
  return text;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json_text) {
  if (static_cast<int64_t>(json_text.size()) > kMostConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("config of ", json_text.size(), " bytes; at most ", kMostConfigBytes, " are read"));
  }
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxConfigDepth);
  if (!parsed.ok()) return parsed.status();

  ModelConfig config;
  JsonFields top(*parsed, "");
  int64_t version = 0;
  top.Read("format_version", &version);
  if (top.Has("format_version") && version != kFormatVersion) {
    top.Fail("format_version", absl::StrCat(version, "; this build reads ", kFormatVersion));
  }
  top.Read("name", &config.name);
  top.Read("description", &config.description);
  top.Read("frames_per_second", &config.frames_per_second);
  top.Read("example_prompts", &config.example_prompts);
  ReadParts(&top, &config);
  if (absl::Status status = top.Finish(); !status.ok()) return status;
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  return config;
}

std::string DecoderKindName(DecoderKind kind) { return NameOf(DecoderKindNames(), kind); }

absl::StatusOr<TransformerConfig> ParseTransformerConfig(std::string_view json_text) {
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxConfigDepth);
  if (!parsed.ok()) return parsed.status();
  TransformerConfig config;
  JsonFields fields(*parsed, "");
  ReadTransformerSizes(&fields, Presence::kOptional, &config);
  if (absl::Status status = fields.FinishIgnoringUnknownKeys(); !status.ok()) return status;
  return config;
}

absl::StatusOr<TextEncoderConfig> ParseTextEncoderConfig(std::string_view json_text) {
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxConfigDepth);
  if (!parsed.ok()) return parsed.status();
  TextEncoderConfig config;
  JsonFields fields(*parsed, "");
  ReadTextEncoderSizes(&fields, Presence::kOptional, &config);
  if (absl::Status status = fields.FinishIgnoringUnknownKeys(); !status.ok()) return status;
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  return config;
}

std::string FormatModelConfig(const ModelConfig& config) {
  const TextEncoderConfig& text = config.text_encoder;
  nlohmann::ordered_json out;
  out["format_version"] = kFormatVersion;
  out["name"] = config.name;
  out["description"] = config.description;
  out["frames_per_second"] = config.frames_per_second;
  out["example_prompts"] = config.example_prompts;
  out["transformer"] = FormatTransformer(config);
  out["text_encoder"] = {{"file", config.text_encoder_file},
                         {"vocab_size", text.vocab_size},
                         {"dim", text.dim},
                         {"dim_attn", text.dim_attn},
                         {"dim_ffn", text.dim_ffn},
                         {"num_heads", text.num_heads},
                         {"num_layers", text.num_layers},
                         {"num_buckets", text.num_buckets},
                         {"max_distance", text.max_distance},
                         {"eps", text.eps}};
  out["tokenizer"] = {{"file", config.tokenizer.file},
                      {"cleaning", NameOf(PromptCleaningNames(), config.tokenizer.cleaning)}};
  out["decoder"] = FormatDecoder(config.decoder);
  out["sampling"] = {{"shift", config.sampling.shift}, {"denoise_steps", config.sampling.denoise_steps}};
  const bool dense = config.retention.file.empty() && config.retention.cache.shares.empty();
  if (!dense) out["retention"] = FormatRetention(config.retention);
  // "replace": a name that is not UTF-8 must not throw.
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace videodiffcr
