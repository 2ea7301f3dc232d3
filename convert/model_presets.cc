#include "convert/model_presets.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

ModelConfig Wan21TextToVideo1_3B(DecoderKind decoder) {
  ModelConfig config;
  config.name = "wan2.1-t2v-1.3b";
  config.description = "Wan2.1-T2V-1.3B distilled to four causal steps (Self-Forcing), 832x480 at 16 frames per second";
  config.frames_per_second = 16;
  config.example_prompts = {
      "A stylish woman strolls down a bustling Tokyo street, the warm glow of neon lights reflecting on the wet "
      "pavement.",
      "A drone flies along a rugged coast at sunset, waves breaking against the cliffs below."};
  config.transformer = {.in_dim = 16,
                        .out_dim = 16,
                        .dim = 1536,
                        .ffn_dim = 8960,
                        .freq_dim = 256,
                        .text_dim = 4096,
                        .text_len = 512,
                        .num_heads = 12,
                        .num_layers = 30,
                        .eps = 1e-6,
                        .patch_height = 2,
                        .patch_width = 2,
                        .chunk_frames = 3,
                        .latent_height = 60,
                        .latent_width = 104,
                        .window_frames = 21,
                        .sink_frames = 0,
                        .rope_positions = RopePositions::kAbsolute};
  config.text_encoder = {.vocab_size = 256384,
                         .dim = 4096,
                         .dim_attn = 4096,
                         .dim_ffn = 10240,
                         .num_heads = 64,
                         .num_layers = 24,
                         .num_buckets = 32,
                         .max_distance = 128,
                         .eps = 1e-6};
  config.tokenizer = {.file = "spiece.model", .cleaning = PromptCleaning::kWhitespace};
  config.decoder = {.kind = decoder,
                    .file = "decoder.safetensors",
                    .base_dim = 96,
                    .z_dim = 16,
                    .dim_mult = {1, 2, 4, 4},
                    .temporal_factor = 4,
                    .spatial_factor = 8};
  config.sampling = {.shift = 5.0, .denoise_steps = {1000, 750, 500, 250}};
  config.retention = {};
  return config;
}

absl::StatusOr<ModelConfig> FindModelPreset(absl::string_view name) {
  if (name == "wan2.1-t2v-1.3b") return Wan21TextToVideo1_3B(DecoderKind::kTaehv);
  return absl::NotFoundError(absl::StrCat("no preset '", name, "'; there is: wan2.1-t2v-1.3b"));
}

}  // namespace videodiffcr
