// config.json to ModelConfig and back: which keys there are. What values may be is ModelConfig::Validate()'s part.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/config/json_fields.h"
#include "model/config/model_config.h"
#include "model/config/model_config_file.h"
#include "model/config/retention_tables_json.h"

namespace videodiffcr {

namespace {

using nlohmann::json;

constexpr int kFormatVersion = 1;
constexpr int kMaxDepth = 8;

template <typename Enum>
using EnumNames = std::vector<std::pair<Enum, const char*>>;

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
const EnumNames<RouterGate>& RouterGateNames() {
  static const auto& names = *new EnumNames<RouterGate>{
      {RouterGate::kTwoSigmoid, "two_sigmoid"}, {RouterGate::kSigmoid, "sigmoid"}, {RouterGate::kNone, "none"}};
  return names;
}
const EnumNames<KvMode>& KvModeNames() {
  static const auto& names = *new EnumNames<KvMode>{{KvMode::kKept, "kept"}, {KvMode::kFull, "full"}};
  return names;
}
const EnumNames<ContextMode>& ContextModeNames() {
  static const auto& names =
      *new EnumNames<ContextMode>{{ContextMode::kDense, "dense"}, {ContextMode::kRoutedFullKv, "routed_full_kv"}};
  return names;
}

template <typename Enum>
const char* NameOf(const EnumNames<Enum>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "";
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

// A layer of a table is one number, its ratio, to which the steps' deltas are added, or a number per denoising step and
// one for the context pass.
RetentionTable TableOfLayers(RetentionTenths nominal, const std::vector<std::vector<int>>& layers,
                             const RetentionConfig& config) {
  RetentionTable table;
  table.nominal = nominal;
  for (const std::vector<int>& layer : layers) {
    table.tenths.push_back(
        layer.size() != 1
            ? layer
            : MakeRetentionTable(nominal, layer, config.step_delta_tenths, config.floor_tenths).tenths.front());
  }
  return table;
}

void ReadTables(const json& object, JsonFields* parent, RetentionConfig* config) {
  JsonFields fields(object, "retention.tables");
  for (const auto& item : object.items()) {
    int nominal = 0;
    std::vector<std::vector<int>> layers;
    if (!absl::SimpleAtoi(item.key(), &nominal) || nominal < 1 || nominal > 9) {
      return parent->Fail("tables", absl::StrCat(item.key().substr(0, 64), "; a budget must be 1 to 9 tenths"));
    }
    fields.Read(item.key().c_str(), &layers);
    for (const std::vector<int>& layer : layers) {
      for (const int tenths : layer) {
        if (tenths < config->floor_tenths || tenths > kDenseTenths) {
          fields.Fail(item.key(), absl::StrCat(tenths, "; must be from ", config->floor_tenths, " to 10"));
        }
      }
    }
    for (const int delta : config->step_delta_tenths) {
      if (delta < -kDenseTenths || delta > kDenseTenths) return;  // Validate() names it; here it must not overflow
    }
    if (config->floor_tenths > kDenseTenths) return;  // the same
    config->tables.push_back(TableOfLayers(nominal, layers, *config));
  }
  std::sort(config->tables.begin(), config->tables.end(),
            [](const RetentionTable& a, const RetentionTable& b) { return a.nominal > b.nominal; });
  parent->Merge(fields.Finish());
}

// A budget's entry is one number for all blocks or a list with one per block.
void ReadCache(const json& object, JsonFields* parent, CacheRetention* config) {
  JsonFields fields(object, "retention.cache");
  fields.ReadEnum("score", CacheScoreNames(), &config->score);
  if (const json* percent = fields.ReadObject("percent")) {
    JsonFields by_budget(*percent, "retention.cache.percent");
    for (const auto& item : percent->items()) {
      int budget = 0;
      if (!absl::SimpleAtoi(item.key(), &budget) || absl::StrCat(budget) != item.key()) {
        return parent->Fail("cache.percent", absl::StrCat(item.key().substr(0, 64), "; must be a budget in tenths"));
      }
      CacheShares shares = {budget, {0}};
      if (item.value().is_array()) {
        by_budget.Read(item.key().c_str(), &shares.percent);
      } else {
        by_budget.Read(item.key().c_str(), &shares.percent.front());
      }
      config->shares.push_back(std::move(shares));
    }
    fields.Merge(by_budget.Finish());
  }
  std::sort(config->shares.begin(), config->shares.end(),
            [](const CacheShares& a, const CacheShares& b) { return a.budget > b.budget; });
  parent->Merge(fields.Finish());
}

void ReadRetention(const json& object, JsonFields* parent, RetentionConfig* config) {
  JsonFields fields(object, "retention");
  // A dense model may have a cache setting and nothing else.
  const Presence routed = fields.Has("cache") && !fields.Has("file") ? Presence::kOptional : Presence::kRequired;
  fields.Read("file", &config->file, routed);
  fields.Read("router_dim", &config->router_dim, routed);
  fields.ReadEnum("gate", RouterGateNames(), &config->gate, routed);
  fields.ReadEnum("kv_mode", KvModeNames(), &config->kv_mode, routed);
  fields.ReadEnum("context_mode", ContextModeNames(), &config->context_mode, routed);
  fields.Read("frame_floor", &config->frame_floor, routed);
  fields.Read("step_delta_tenths", &config->step_delta_tenths, routed);
  fields.Read("floor_tenths", &config->floor_tenths, routed);
  if (const json* tables = fields.ReadObject("tables", routed)) ReadTables(*tables, &fields, config);
  if (const json* cache = fields.ReadObject("cache", Presence::kOptional)) ReadCache(*cache, &fields, &config->cache);
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

json FormatCache(const CacheRetention& cache) {
  json percent = json::object();
  for (const CacheShares& shares : cache.shares) {
    json& entry = percent[absl::StrCat(shares.budget)];
    if (shares.percent.size() == 1) {
      entry = shares.percent.front();
    } else {
      entry = shares.percent;
    }
  }
  json text = json::object();
  text["score"] = CacheScoreName(cache.score);
  text["percent"] = percent;
  return text;
}

json FormatRetention(const RetentionConfig& retention) {
  if (retention.file.empty()) {
    json text = json::object();
    text["cache"] = FormatCache(retention.cache);
    return text;
  }
  json tables = json::object();
  for (const RetentionTable& table : retention.tables) {
    json& layers = tables[absl::StrCat(table.nominal)] = json::array();
    for (const std::vector<int>& row : table.tenths) {
      // The context pass has no delta: when the row is a ratio with deltas, its column is that ratio.
      const bool is_ratio = TableOfLayers(table.nominal, {{row.back()}}, retention).tenths.front() == row;
      if (is_ratio) {
        layers.push_back(row.back());
      } else {
        layers.push_back(row);
      }
    }
  }
  json text = {{"file", retention.file},
               {"router_dim", retention.router_dim},
               {"gate", NameOf(RouterGateNames(), retention.gate)},
               {"kv_mode", NameOf(KvModeNames(), retention.kv_mode)},
               {"context_mode", NameOf(ContextModeNames(), retention.context_mode)},
               {"frame_floor", retention.frame_floor},
               {"step_delta_tenths", retention.step_delta_tenths},
               {"floor_tenths", retention.floor_tenths},
               {"tables", tables}};
  if (!retention.cache.shares.empty()) text["cache"] = FormatCache(retention.cache);
  return text;
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
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxDepth);
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
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxDepth);
  if (!parsed.ok()) return parsed.status();
  TransformerConfig config;
  JsonFields fields(*parsed, "");
  ReadTransformerSizes(&fields, Presence::kOptional, &config);
  if (absl::Status status = fields.FinishIgnoringUnknownKeys(); !status.ok()) return status;
  return config;
}

absl::StatusOr<TextEncoderConfig> ParseTextEncoderConfig(std::string_view json_text) {
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxDepth);
  if (!parsed.ok()) return parsed.status();
  TextEncoderConfig config;
  JsonFields fields(*parsed, "");
  ReadTextEncoderSizes(&fields, Presence::kOptional, &config);
  if (absl::Status status = fields.FinishIgnoringUnknownKeys(); !status.ok()) return status;
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  return config;
}

absl::Status ParseRetentionTables(std::string_view json_text, RetentionConfig* retention) {
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxDepth);
  if (!parsed.ok()) return parsed.status();
  const json whole = {{"tables", *std::move(parsed)}};
  JsonFields fields(whole, "");
  retention->tables.clear();
  if (const json* tables = fields.ReadObject("tables")) ReadTables(*tables, &fields, retention);
  return fields.Finish();
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
  if (!config.retention.file.empty() || !config.retention.cache.shares.empty())
    out["retention"] = FormatRetention(config.retention);
  // "replace": a name that is not UTF-8 must not throw.
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace videodiffcr
