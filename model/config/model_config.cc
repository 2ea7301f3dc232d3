#include "model/config/model_config.h"

#include <cmath>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/config/model_config_file.h"
#include "system/regular_file.h"

namespace videodiffcr {

namespace {

// Bounds keep every product of sizes inside 64 bits; real models stay far below them.
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxFrames = int64_t{1} << 16;

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, "; ", rule));
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value < least) return Invalid(field, absl::StrCat(value), absl::StrCat("must be at least ", least));
  if (value > most) return Invalid(field, absl::StrCat(value), absl::StrCat("must be at most ", most));
  return absl::OkStatus();
}

absl::Status CheckMultiple(absl::string_view field, int64_t value, absl::string_view of_what, int64_t factor) {
  if (value % factor == 0) return absl::OkStatus();
  return Invalid(field, absl::StrCat(value), absl::StrCat("must be a multiple of ", of_what, " (", factor, ")"));
}

absl::Status CheckPositive(absl::string_view field, double value) {
  if (std::isfinite(value) && value > 0) return absl::OkStatus();
  return Invalid(field, absl::StrCat(value), "must be a positive number");
}

// File names come from outside: they must stay inside the model's folder.
absl::Status CheckFileName(absl::string_view field, absl::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != absl::string_view::npos ||
      name.find('\0') != absl::string_view::npos) {
    return Invalid(field, absl::StrCat("\"", name.substr(0, 64), "\""),
                   "must be a plain file name in the model's folder");
  }
  return absl::OkStatus();
}

// The name goes into logs, metrics and terminals.
absl::Status CheckName(absl::string_view name) {
  if (name.empty()) return Invalid("name", "\"\"", "must not be empty");
  for (const char c : name) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return Invalid("name", absl::StrCat("\"", absl::CHexEscape(name.substr(0, 64)), "\""),
                     "must hold no control characters");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSampling(const SamplingConfig& sampling) {
  if (absl::Status status = CheckPositive("sampling.shift", sampling.shift); !status.ok()) return status;
  if (sampling.denoise_steps.empty() || sampling.denoise_steps.size() > 1000) {
    return Invalid("sampling.denoise_steps", absl::StrCat(sampling.denoise_steps.size(), " steps"),
                   "must be 1 to 1000 falling whole numbers");
  }
  double before = 1001;
  for (const double step : sampling.denoise_steps) {
    if (!(step >= 1 && step < before && step == std::floor(step))) {
      return Invalid("sampling.denoise_steps", absl::StrCat(step), "must be falling whole numbers from 1000 to 1");
    }
    before = step;
  }
  return absl::OkStatus();
}

absl::Status CheckCache(const RetentionConfig& retention, int64_t layers) {
  return ValidateCacheRetention(retention.cache, BudgetsOf(retention), layers, !retention.file.empty());
}

absl::Status CheckRetention(const RetentionConfig& retention, int64_t layers, size_t steps) {
  if (retention.file.empty()) {
    if (retention.bypass_rank != 0) {
      return Invalid("retention.bypass_rank", absl::StrCat(retention.bypass_rank), "goes with retention.file only");
    }
    if (retention.tables.empty()) return CheckCache(retention, layers);
    return Invalid("retention.file", "\"\"", "must name the router weights, since there are tables");
  }
  absl::Status status = CheckFileName("retention.file", retention.file);
  status.Update(CheckRange("retention.router_dim", retention.router_dim, 1, kMaxWidth));
  status.Update(CheckRange("retention.bypass_rank", retention.bypass_rank, 0, kMostBypassRank));
  status.Update(CheckRange("retention.floor_tenths", retention.floor_tenths, 1, kDenseTenths));
  if (!status.ok()) return status;
  if (!(retention.frame_floor >= 0 && retention.frame_floor <= 1)) {
    return Invalid("retention.frame_floor", absl::StrCat(retention.frame_floor), "must be from 0 to 1");
  }
  if (retention.step_delta_tenths.size() != steps) {
    return Invalid("retention.step_delta_tenths", absl::StrCat(retention.step_delta_tenths.size(), " entries"),
                   absl::StrCat("must have one per denoising step (", steps, ")"));
  }
  for (const int delta : retention.step_delta_tenths) {
    if (delta < -kDenseTenths || delta > kDenseTenths) {
      return Invalid("retention.step_delta_tenths", absl::StrCat(delta), "must be from -10 to 10");
    }
  }
  int before = kDenseTenths;
  for (const RetentionTable& table : retention.tables) {
    const std::string field = absl::StrCat("retention.tables.", table.nominal);
    if (table.nominal < 1 || table.nominal >= before) {
      return Invalid(field, absl::StrCat(table.nominal), "budgets must fall from 9 to 1");
    }
    before = table.nominal;
    if (table.tenths.size() != static_cast<size_t>(layers)) {
      return Invalid(field, absl::StrCat(table.tenths.size(), " layers"),
                     absl::StrCat("must have one entry per block (", layers, ")"));
    }
    for (const std::vector<int>& row : table.tenths) {
      if (row.size() != steps + 1) {
        return Invalid(field, absl::StrCat(row.size(), " columns"), "must be the denoising steps and the context pass");
      }
      for (const int tenths : row) {
        if (tenths < retention.floor_tenths || tenths > kDenseTenths) {
          return Invalid(field, absl::StrCat(tenths), absl::StrCat("must be from ", retention.floor_tenths, " to 10"));
        }
      }
    }
  }
  return CheckCache(retention, layers);
}

}  // namespace

absl::Status TransformerConfig::Validate() const {
  absl::Status status = CheckRange("transformer.in_dim", in_dim, 1, kMaxWidth);
  status.Update(CheckRange("transformer.out_dim", out_dim, 1, kMaxWidth));
  status.Update(CheckRange("transformer.dim", dim, 1, kMaxWidth));
  status.Update(CheckRange("transformer.ffn_dim", ffn_dim, 1, kMaxWidth));
  status.Update(CheckRange("transformer.freq_dim", freq_dim, 2, kMaxWidth));
  status.Update(CheckRange("transformer.text_dim", text_dim, 1, kMaxWidth));
  status.Update(CheckRange("transformer.text_len", text_len, 1, kMaxFrames));
  status.Update(CheckRange("transformer.num_heads", num_heads, 1, kMaxWidth));
  status.Update(CheckRange("transformer.num_layers", num_layers, 1, kMaxLayers));
  status.Update(CheckRange("transformer.patch_height", patch_height, 1, 64));
  status.Update(CheckRange("transformer.patch_width", patch_width, 1, 64));
  status.Update(CheckRange("transformer.chunk_frames", chunk_frames, 1, kMaxFrames));
  status.Update(CheckRange("transformer.latent_hw", latent_height, 1, 8192));
  status.Update(CheckRange("transformer.latent_hw", latent_width, 1, 8192));
  status.Update(CheckRange("transformer.window_frames", window_frames, 1, kMaxFrames));
  status.Update(CheckRange("transformer.sink_frames", sink_frames, 0, kMaxFrames));
  status.Update(CheckPositive("transformer.eps", eps));
  if (!status.ok()) return status;
  status.Update(CheckMultiple("transformer.dim", dim, "num_heads", num_heads));
  status.Update(CheckMultiple("transformer.freq_dim", freq_dim, "two", 2));
  status.Update(CheckMultiple("transformer.latent_hw", latent_height, "patch_height", patch_height));
  status.Update(CheckMultiple("transformer.latent_hw", latent_width, "patch_width", patch_width));
  if (!status.ok()) return status;
  if (head_dim() % 2 != 0) {
    return Invalid("transformer.dim", absl::StrCat(dim), "dim / num_heads must be even: rotary positions turn pairs");
  }
  if (window_frames < sink_frames + chunk_frames) {
    return Invalid("transformer.window_frames", absl::StrCat(window_frames),
                   absl::StrCat("must hold the sink (", sink_frames, ") and one chunk (", chunk_frames, ")"));
  }
  return absl::OkStatus();
}

absl::Status TextEncoderConfig::Validate() const {
  absl::Status status = CheckRange("text_encoder.vocab_size", vocab_size, 1, int64_t{1} << 24);
  status.Update(CheckRange("text_encoder.dim", dim, 1, kMaxWidth));
  status.Update(CheckRange("text_encoder.dim_attn", dim_attn, 1, kMaxWidth));
  status.Update(CheckRange("text_encoder.dim_ffn", dim_ffn, 1, kMaxWidth));
  status.Update(CheckRange("text_encoder.num_heads", num_heads, 1, kMaxWidth));
  status.Update(CheckRange("text_encoder.num_layers", num_layers, 1, kMaxLayers));
  status.Update(CheckRange("text_encoder.num_buckets", num_buckets, 4, kMaxFrames));
  status.Update(CheckRange("text_encoder.max_distance", max_distance, 2, kMaxWidth));
  status.Update(CheckPositive("text_encoder.eps", eps));
  if (!status.ok()) return status;
  return CheckMultiple("text_encoder.dim_attn", dim_attn, "num_heads", num_heads);
}

absl::Status DecoderConfig::Validate() const {
  absl::Status status = CheckFileName("decoder.file", file);
  status.Update(CheckRange("decoder.z_dim", z_dim, 1, kMaxWidth));
  status.Update(CheckRange("decoder.temporal_factor", temporal_factor, 1, 64));
  status.Update(CheckRange("decoder.spatial_factor", spatial_factor, 1, 256));
  if (!status.ok() || kind != DecoderKind::kWanVae) return status;
  status.Update(CheckRange("decoder.base_dim", base_dim, 1, kMaxWidth));
  if (dim_mult.empty() || dim_mult.size() > 16) {
    status.Update(Invalid("decoder.dim_mult", absl::StrCat(dim_mult.size(), " levels"), "must be 1 to 16 factors"));
  }
  for (const int64_t factor : dim_mult) status.Update(CheckRange("decoder.dim_mult", factor, 1, 1024));
  return status;
}

absl::Status ModelConfig::Validate() const {
  absl::Status status = CheckName(name);
  status.Update(CheckRange("frames_per_second", frames_per_second, 1, 240));
  status.Update(transformer.Validate());
  status.Update(CheckFileName("transformer.file", transformer_file));
  status.Update(text_encoder.Validate());
  status.Update(CheckFileName("text_encoder.file", text_encoder_file));
  status.Update(CheckFileName("tokenizer.file", tokenizer.file));
  status.Update(decoder.Validate());
  status.Update(CheckSampling(sampling));
  if (!status.ok()) return status;
  if (text_encoder.dim != transformer.text_dim) {
    return Invalid("transformer.text_dim", absl::StrCat(transformer.text_dim),
                   absl::StrCat("must equal text_encoder.dim (", text_encoder.dim, ")"));
  }
  if (transformer.in_dim != transformer.out_dim || transformer.in_dim != decoder.z_dim) {
    return Invalid("transformer.in_dim", absl::StrCat(transformer.in_dim),
                   absl::StrCat("must equal transformer.out_dim (", transformer.out_dim, ") and decoder.z_dim (",
                                decoder.z_dim, ")"));
  }
  return CheckRetention(retention, transformer.num_layers, sampling.denoise_steps.size());
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMostConfigBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<ModelConfig> config = ParseModelConfig(*text);
  if (!config.ok()) return absl::Status(config.status().code(), absl::StrCat(path, ": ", config.status().message()));
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& folder) {
  absl::StatusOr<ModelConfig> config = ReadModelConfig(folder + "/config.json");
  if (!absl::IsNotFound(config.status())) return config;
  return absl::NotFoundError(absl::StrCat(config.status().message(), "; is this a model folder?"));
}

}  // namespace videodiffcr
