// The sizes of a model, as read from config.json of its folder. Nothing about a shape is compiled in.
// The letters used in comments (D, N, d, S, ...) are those of model/README.md.
#ifndef VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_H_
#define VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/retention_table.h"

namespace videodiffcr {

// How keys get their frame position (causal_wan_dit.md section 6, tiny_recipe.md section 5).
enum class RopePositions {
  // Frame index in the whole video; keys are cached after rotation.
  kAbsolute,
  // Place inside the window, sink first; keys are cached before rotation, so that a video never runs off the table.
  kWindowRelative,
};

// Causal diffusion transformer, causal_wan_dit.md section 1.
struct TransformerConfig {
  int64_t in_dim = 16;      // latent channels in
  int64_t out_dim = 16;     // latent channels out
  int64_t dim = 1536;       // D, model width
  int64_t ffn_dim = 8960;   // width inside the feed-forward layer
  int64_t freq_dim = 256;   // width of the timestep sinusoid
  int64_t text_dim = 4096;  // width of the text encoder's output
  int64_t text_len = 512;   // text rows, padded with zeros
  int64_t num_heads = 12;   // N
  int64_t num_layers = 30;  // blocks
  double eps = 1e-6;        // of every norm
  int64_t patch_height = 2;
  int64_t patch_width = 2;

  int64_t chunk_frames = 3;    // latent frames per chunk
  int64_t latent_height = 60;  // h
  int64_t latent_width = 104;  // w
  int64_t window_frames = 21;  // latent frames a chunk sees, itself included: the KV cache's capacity
  int64_t sink_frames = 0;     // first latent frames of the video, never evicted
  RopePositions rope_positions = RopePositions::kAbsolute;

  int64_t head_dim() const { return dim / num_heads; }
  int64_t patch_rows() const { return latent_height / patch_height; }
  int64_t patch_columns() const { return latent_width / patch_width; }
  int64_t tokens_per_frame() const { return patch_rows() * patch_columns(); }  // S
  int64_t tokens_per_chunk() const { return chunk_frames * tokens_per_frame(); }
  int64_t window_tokens() const { return window_frames * tokens_per_frame(); }

  absl::Status Validate() const;
};

// UMT5 encoder, umt5_text_encoder.md section 1.
struct TextEncoderConfig {
  int64_t vocab_size = 256384;
  int64_t dim = 4096;
  int64_t dim_attn = 4096;
  int64_t dim_ffn = 10240;
  int64_t num_heads = 64;
  int64_t num_layers = 24;
  int64_t num_buckets = 32;
  int64_t max_distance = 128;
  double eps = 1e-6;

  absl::Status Validate() const;
};

// What happens to a prompt before SentencePiece sees it.
enum class PromptCleaning {
  kWhitespace,  // umt5_text_encoder.md section 2: NFC, straight quotes, entities, single spaces
  kWords,       // also lower case, and punctuation becomes a space: for small whole-word vocabularies
};

struct TokenizerConfig {
  std::string file = "spiece.model";
  PromptCleaning cleaning = PromptCleaning::kWhitespace;
};

enum class DecoderKind {
  kWanVae,             // wan_vae.md sections 1 to 8
  kTaehv,              // wan_vae.md section 9
  kPixelShuffleTaehv,  // tiny_recipe.md section 3
};

struct DecoderConfig {
  DecoderKind kind = DecoderKind::kTaehv;
  std::string file = "decoder.safetensors";
  int64_t base_dim = 96;                         // kWanVae
  int64_t z_dim = 16;                            // latent channels
  std::vector<int64_t> dim_mult = {1, 2, 4, 4};  // kWanVae
  int64_t temporal_factor = 4;                   // pixel frames per latent frame after the first
  int64_t spatial_factor = 8;

  absl::Status Validate() const;
};

// Few-step rollout, self_forcing_inference.md sections 1 to 4.
struct SamplingConfig {
  double shift = 5.0;
  std::vector<double> denoise_steps = {1000, 750, 500, 250};  // nominal, before warping
};

struct ModelConfig {
  std::string name;
  std::string description;
  int frames_per_second = 16;
  std::vector<std::string> example_prompts;
  TransformerConfig transformer;
  std::string transformer_file = "transformer.safetensors";
  TextEncoderConfig text_encoder;
  std::string text_encoder_file = "text_encoder.safetensors";
  TokenizerConfig tokenizer;
  DecoderConfig decoder;
  SamplingConfig sampling;
  RetentionConfig retention;

  int64_t pixel_width() const { return transformer.latent_width * decoder.spatial_factor; }
  int64_t pixel_height() const { return transformer.latent_height * decoder.spatial_factor; }
  int64_t first_chunk_frames() const { return 1 + decoder.temporal_factor * (transformer.chunk_frames - 1); }
  int64_t later_chunk_frames() const { return decoder.temporal_factor * transformer.chunk_frames; }

  // InvalidArgument naming the field and its value.
  absl::Status Validate() const;
};

// Parses the text of a config.json. Unknown keys, missing keys, wrong types and values out of range are InvalidArgument
// with the key's path ("transformer.num_heads: 0; must be at least 1").
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json_text);

// Reads FOLDER/config.json. NotFound names the path.
absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& folder);

// Parses only a transformer's sizes, as golden files and safetensors metadata carry them ("latent_hw": [h, w] is
// understood). A missing key keeps its default and an unknown key is passed over: such metadata carries settings of
// other parts too. Types are checked; sizes are not, since the caller may fill in more: call Validate() then.
absl::StatusOr<TransformerConfig> ParseTransformerConfig(std::string_view json_text);
absl::StatusOr<TextEncoderConfig> ParseTextEncoderConfig(std::string_view json_text);

// As config.json writes it: "taehv".
std::string DecoderKindName(DecoderKind kind);

// The config.json text of `config`; ParseModelConfig() reads it back to an equal value.
std::string FormatModelConfig(const ModelConfig& config);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_H_
