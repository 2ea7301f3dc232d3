#include "model/config/model_config.h"

#include <nlohmann/json.hpp>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

ModelConfig TinyConfig() {
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
std::string With(const char* pointer, const nlohmann::json& value) {
  nlohmann::json text = nlohmann::json::parse(FormatModelConfig(TinyConfig()));
  text[nlohmann::json::json_pointer(pointer)] = value;
  return text.dump();
}

std::string Without(const char* object, const char* key) {
  nlohmann::json text = nlohmann::json::parse(FormatModelConfig(TinyConfig()));
  text[nlohmann::json::json_pointer(object)].erase(key);
  return text.dump();
}

std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<ModelConfig> config = ParseModelConfig(text);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(config.status().message());
}

TEST(ModelConfig, EveryDecoderKindReadsBackEqual) {
  for (const DecoderKind kind : {DecoderKind::kWanVae, DecoderKind::kTaehv, DecoderKind::kPixelShuffleTaehv}) {
    ModelConfig config = TinyConfig();
    config.decoder.kind = kind;
    const absl::StatusOr<ModelConfig> read = ParseModelConfig(FormatModelConfig(config));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(FormatModelConfig(*read), FormatModelConfig(config));
    EXPECT_EQ(read->retention.tables[1].tenths, config.retention.tables[1].tenths);
    EXPECT_EQ(read->decoder.kind, kind);
    EXPECT_EQ(read->transformer.tokens_per_chunk(), 180);
  }
}

TEST(ModelConfig, AFolderWithoutRetentionIsADenseModel) {
  ModelConfig config = TinyConfig();
  config.retention = RetentionConfig();
  const absl::StatusOr<ModelConfig> read = ParseModelConfig(FormatModelConfig(config));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->retention.tables.empty());
}

TEST(ModelConfig, AWrongValueIsNamedWithItsPathAndValue) {
  EXPECT_THAT(ErrorOf(With("/transformer/num_heads", 0)), HasSubstr("transformer.num_heads: 0; must be at least 1"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", 193)),
              HasSubstr("transformer.dim: 193; must be a multiple of num_heads"));
  EXPECT_THAT(ErrorOf(With("/transformer/window_frames", 5)), HasSubstr("transformer.window_frames: 5"));
  EXPECT_THAT(ErrorOf(With("/transformer/latent_hw", {12, 21})), HasSubstr("transformer.latent_hw: 21"));
  EXPECT_THAT(ErrorOf(With("/transformer/latent_hw", {12})), HasSubstr("must be [height, width]"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", int64_t{1} << 60)), HasSubstr("must be at most"));
  EXPECT_THAT(ErrorOf(With("/transformer/text_dim", 64)), HasSubstr("must equal text_encoder.dim (128)"));
  EXPECT_THAT(ErrorOf(With("/transformer/rope_positions", "sideways")), HasSubstr("absolute, window_relative"));
  EXPECT_THAT(ErrorOf(With("/decoder/z_dim", 8)), HasSubstr("decoder.z_dim (8)"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", {500, 750})), HasSubstr("sampling.denoise_steps: 750"));
  EXPECT_THAT(ErrorOf(With("/sampling/shift", -1)), HasSubstr("sampling.shift: -1"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {10, 8})), HasSubstr("retention.tables.9: 2 layers"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {10, 8, 10, 8, 11, 8})), HasSubstr("retention.tables.9: 11"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/12", {1})), HasSubstr("12; a budget must be 1 to 9 tenths"));
  EXPECT_THAT(ErrorOf(With("/retention/step_delta_tenths", {0})), HasSubstr("one per denoising step (4)"));
  EXPECT_THAT(ErrorOf(With("/retention/step_delta_tenths", {2147483647, 0, 0, 0})), HasSubstr("from -10 to 10"));
  EXPECT_THAT(ErrorOf(With("/format_version", 2)), HasSubstr("format_version: 2; this build reads 1"));
}

TEST(ModelConfig, AWrongTypeAMissingKeyAndAnUnknownKeyAreNamed) {
  EXPECT_THAT(ErrorOf(With("/transformer/dim", "192")), HasSubstr("transformer.dim: is string; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", 192.5)), HasSubstr("must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", 18446744073709551615u)), HasSubstr("must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer", 3)), HasSubstr("transformer: is number; must be an object"));
  EXPECT_THAT(ErrorOf(With("/example_prompts", {1})), HasSubstr("example_prompts[0]: is number"));
  EXPECT_THAT(ErrorOf(Without("/transformer", "dim")), HasSubstr("transformer.dim: is missing"));
  EXPECT_THAT(ErrorOf(Without("", "decoder")), HasSubstr("decoder: is missing"));
  EXPECT_THAT(ErrorOf(With("/transformer/dimm", 3)), HasSubstr("transformer.dimm: unknown key"));
  EXPECT_THAT(ErrorOf(With("/decoder/base_dim", 3)), HasSubstr("decoder.base_dim: unknown key"));
}

TEST(ModelConfig, AFileNameCannotLeaveTheFolder) {
  for (const char* name : {"../secret", "/etc/passwd", "..", "", "a/b"}) {
    EXPECT_THAT(ErrorOf(With("/transformer/file", name)), HasSubstr("transformer.file"));
    EXPECT_THAT(ErrorOf(With("/tokenizer/file", name)), HasSubstr("tokenizer.file"));
  }
}

TEST(ModelConfig, HostileTextIsAnError) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(ErrorOf("{\"name\": \"a\", \"name\": \"b\"}"), HasSubstr("name: key appears twice"));
  EXPECT_THAT(ErrorOf(std::string(1 << 20, '[')), HasSubstr("nested 1048576 containers deep"));
  EXPECT_THAT(ErrorOf(std::string(size_t{5} << 20, ' ')), HasSubstr("at most"));
  EXPECT_THAT(ErrorOf("{\"name\": \"\xff\"}"), HasSubstr("not valid JSON"));
}

// Any one byte changed: never a crash, and what still parses is valid.
TEST(ModelConfig, ABytewiseDamagedTextEitherFailsOrIsValid) {
  const std::string text = FormatModelConfig(TinyConfig());
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = text;
    for (int i = 0; i < 1 + round % 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    const absl::StatusOr<ModelConfig> config = ParseModelConfig(damaged);
    if (!config.ok()) continue;
    EXPECT_TRUE(config->Validate().ok()) << damaged;
  }
}

TEST(ModelConfig, TransformerSizesOfACaseFileKeepDefaultsForWhatTheyDoNotSay) {
  const absl::StatusOr<TransformerConfig> config =
      ParseTransformerConfig(R"({"dim": 32, "num_heads": 2, "latent_hw": [4, 6], "router_dim": 8})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->dim, 32);
  EXPECT_EQ(config->tokens_per_frame(), 6);
  EXPECT_EQ(config->text_len, 512);
  EXPECT_FALSE(ParseTransformerConfig(R"({"dim": "32"})").ok());
}

TEST(ModelConfig, AFolderWithoutConfigNamesThePath) {
  EXPECT_THAT(std::string(LoadModelConfig("/nowhere").status().message()), HasSubstr("/nowhere/config.json"));
}

}  // namespace
}  // namespace videodiffcr
