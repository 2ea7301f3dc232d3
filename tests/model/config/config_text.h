// The config.json of a small model, as the tests of this folder spoil it.
#ifndef VIDEODIFFCR_TESTS_MODEL_CONFIG_CONFIG_TEXT_H_
#define VIDEODIFFCR_TESTS_MODEL_CONFIG_CONFIG_TEXT_H_

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "model/config/model_config.h"

namespace videodiffcr {

// With routers, and with a value of its own wherever the default is another.
inline ModelConfig TinyConfig() {
  ModelConfig config;
  config.name = "tiny";
  config.description = "a model to try";
  config.example_prompts = {"a red circle", "a \"quoted\" square"};
  config.transformer.dim = 192;
  config.transformer.num_heads = 3;
  config.transformer.num_layers = 6;
  config.transformer.ffn_dim = 768;
  config.transformer.text_dim = 128;
  config.transformer.text_len = 32;
  config.transformer.latent_height = 12;
  config.transformer.latent_width = 20;
  config.transformer.window_frames = 12;
  config.transformer.sink_frames = 3;
  config.transformer.rope_positions = RopePositions::kWindowRelative;
  config.text_encoder.dim = 128;
  config.tokenizer.cleaning = PromptCleaning::kWords;
  config.decoder.kind = DecoderKind::kPixelShuffleTaehv;
  config.retention.file = "routers.safetensors";
  config.retention.router_dim = 8;
  config.retention.bypass_rank = 4;
  config.retention.gate = RouterGate::kNone;
  config.retention.kv_mode = KvMode::kFull;
  config.retention.context_mode = ContextMode::kRoutedFullKv;
  config.retention.frame_floor = 0.5;
  config.retention.step_delta_tenths = {-3, -1, 1, 3};
  config.retention.tables = {MakeRetentionTable(9, {10, 8, 10, 8, 10, 8}, {-3, -1, 1, 3}),
                             MakeRetentionTable(7, {8, 6, 8, 6, 8, 6}, {-3, -1, 1, 3})};
  return config;
}

// The same text with one value replaced; `pointer` as in RFC 6901.
inline std::string With(const char* pointer, const nlohmann::json& value) {
  nlohmann::json text = nlohmann::json::parse(FormatModelConfig(TinyConfig()));
  text[nlohmann::json::json_pointer(pointer)] = value;
  return text.dump();
}

inline std::string Without(const char* object, const char* key) {
  nlohmann::json text = nlohmann::json::parse(FormatModelConfig(TinyConfig()));
  text[nlohmann::json::json_pointer(object)].erase(key);
  return text.dump();
}

// What a text is refused with.
inline std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<ModelConfig> config = ParseModelConfig(text);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(config.status().message());
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_CONFIG_CONFIG_TEXT_H_
