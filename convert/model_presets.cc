#include "convert/model_presets.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
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

namespace {

// What a published model changes of Wan2.1-T2V-1.3B as Self-Forcing distilled it.
struct Preset {
  absl::string_view name;
  absl::string_view description;  // with the file, where the name does not tell
  void (*change)(ModelConfig* config) = nullptr;
};

void FrameWise(ModelConfig* config, std::vector<double> denoise_steps) {
  config->transformer.chunk_frames = 1;
  config->sampling.denoise_steps = std::move(denoise_steps);
}

// causal_wan_dit.md section 1.
void Wan21TextToVideo14B(ModelConfig* config) {
  config->transformer.dim = 5120;
  config->transformer.ffn_dim = 13824;
  config->transformer.num_heads = 40;
  config->transformer.num_layers = 40;
}

constexpr Preset kPresets[] = {
    {"wan2.1-t2v-1.3b",
     "Wan2.1-T2V-1.3B distilled to four causal steps (Self-Forcing), 832x480 at 16 frames per second"},
    {"wan2.1-t2v-14b", "Wan2.1-T2V-14B, dense: a teacher, or a student of its size in four steps", Wan21TextToVideo14B},
    {"self-forcing",
     "Self-Forcing (self_forcing_dmd.pt): chunks of 3 latent frames, 4 steps; the same sizes as "
     "wan2.1-t2v-1.3b"},
    {"causal-forcing", "Causal-Forcing, chunk-wise (chunkwise/causal_forcing.pt): chunks of 3 latent frames, 4 steps"},
    {"causal-forcing-frame-wise",
     "Causal-Forcing, frame-wise (framewise/causal_forcing.pt): chunks of 1 latent frame, "
     "4 steps",
     [](ModelConfig* config) {
       FrameWise(config, {1000, 750, 500, 250});
     }},
    {"causal-forcing-frame-wise-2-step",
     "Causal-Forcing++, frame-wise (framewise-2step.pt): chunks of 1 latent frame, "
     "2 steps",
     [](ModelConfig* config) {
       FrameWise(config, {1000, 500});
     }},
    {"causal-forcing-frame-wise-1-step",
     "Causal-Forcing++, frame-wise (framewise-1step.pt): chunks of 1 latent frame, "
     "1 step",
     [](ModelConfig* config) { FrameWise(config, {1000}); }},
    {"longlive",
     "LongLive (longlive_base.pt with --lora lora.pt): 4 steps, window of 12 latent frames with the first 3 "
     "kept",
     [](ModelConfig* config) {
       config->transformer.window_frames = 12;
       config->transformer.sink_frames = 3;
     }},
    {"causvid", "CausVid (autoregressive): chunks of 3 latent frames, 3 steps at shift 8; its own timesteps within 0.3",
     [](ModelConfig* config) {
       config->sampling = {.shift = 8.0, .denoise_steps = {1000, 280, 120}};
     }},
};

}  // namespace

absl::StatusOr<ModelConfig> FindModelPreset(absl::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name != name) continue;
    ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kTaehv);
    config.name = std::string(preset.name);
    config.description = std::string(preset.description);
    if (preset.change != nullptr) preset.change(&config);
    return config;
  }
  return absl::NotFoundError(absl::StrCat("no preset '", name, "'; there is: ", absl::StrJoin(PresetNames(), ", ")));
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

std::string DescribePresets() {
  std::string lines;
  for (const Preset& preset : kPresets) {
    absl::StrAppendFormat(&lines, "%-34s%s\n", preset.name, preset.description);
  }
  return lines;
}

}  // namespace videodiffcr
