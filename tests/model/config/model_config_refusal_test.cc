// What no config.json may say, and that its refusal names it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/config/model_config.h"
#include "tests/model/config/config_text.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(ModelConfig, AWrongRetentionOfTheCacheIsNamed) {
  const auto error = [](const nlohmann::json& cache) { return ErrorOf(With("/retention/cache", cache)); };
  const auto percent = [&error](const nlohmann::json& value) {
    return error({{"score", "router"}, {"percent", {{"7", value}}}});
  };
  EXPECT_THAT(percent(0), HasSubstr("retention.cache.percent.7: 0; must be from 1 to 100"));
  EXPECT_THAT(percent(101), HasSubstr("retention.cache.percent.7: 101; must be from 1 to 100"));
  EXPECT_THAT(percent("half"), HasSubstr("retention.cache.percent.7: is \"half\"; must be"));
  EXPECT_THAT(percent({50, 50}), HasSubstr("retention.cache.percent.7: 2 entries; must be a number or one per block"));
  EXPECT_THAT(percent(nlohmann::json::array()), HasSubstr("retention.cache.percent.7: 0 entries"));
  EXPECT_THAT(error({{"score", "router"}, {"percent", {{"6", 50}}}}),
              HasSubstr("retention.cache.percent.6: 6; must be 10 or a budget of retention.tables"));
  EXPECT_THAT(error({{"score", "router"}, {"percent", {{"07", 50}}}}), HasSubstr("07; must be a budget in tenths"));
  EXPECT_THAT(error({{"score", "best"}, {"percent", {{"7", 50}}}}),
              HasSubstr("retention.cache.score: \"best\"; must be one of: router, saliency, key-norm, random"));
  EXPECT_THAT(error({{"score", "router"}}), HasSubstr("retention.cache.percent: is missing"));
  EXPECT_THAT(error({{"score", "router"}, {"percent", 50}}), HasSubstr("retention.cache.percent: is 50; must be"));
  EXPECT_THAT(error({{"score", "router"}, {"percent", {{"7", 50}}}, {"sink", 1}}),
              HasSubstr("retention.cache.sink: unknown key"));
  ModelConfig dense = TinyConfig();
  dense.retention = {};
  dense.retention.cache = UniformCacheRetention(CacheScore::kRouter, 50, {10});
  EXPECT_THAT(std::string(dense.Validate().message()), HasSubstr("retention.cache.score: \"router\"; needs router"));
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

// Sizes that nobody checks become allocations, loops and divisions by zero later.
TEST(ModelConfig, EverySizeHasALeastAndAMost) {
  struct Size {
    const char* pointer;
    int64_t least;
    int64_t most;
  };
  constexpr int64_t kHuge = int64_t{1} << 40;
  for (const Size& size : std::vector<Size>{
           {"/frames_per_second", 1, 240},           {"/transformer/in_dim", 1, kHuge},
           {"/transformer/out_dim", 1, kHuge},       {"/transformer/dim", 1, kHuge},
           {"/transformer/ffn_dim", 1, kHuge},       {"/transformer/freq_dim", 2, kHuge},
           {"/transformer/text_dim", 1, kHuge},      {"/transformer/text_len", 1, kHuge},
           {"/transformer/num_heads", 1, kHuge},     {"/transformer/num_layers", 1, kHuge},
           {"/transformer/patch_height", 1, 64},     {"/transformer/patch_width", 1, 64},
           {"/transformer/chunk_frames", 1, kHuge},  {"/transformer/window_frames", 1, kHuge},
           {"/transformer/sink_frames", 0, kHuge},   {"/text_encoder/vocab_size", 1, kHuge},
           {"/text_encoder/dim", 1, kHuge},          {"/text_encoder/dim_attn", 1, kHuge},
           {"/text_encoder/dim_ffn", 1, kHuge},      {"/text_encoder/num_heads", 1, kHuge},
           {"/text_encoder/num_layers", 1, kHuge},   {"/text_encoder/num_buckets", 4, kHuge},
           {"/text_encoder/max_distance", 2, kHuge}, {"/decoder/z_dim", 1, kHuge},
           {"/decoder/temporal_factor", 1, 64},      {"/decoder/spatial_factor", 1, 256},
           {"/retention/router_dim", 1, kHuge},      {"/retention/floor_tenths", 1, 10},
           {"/retention/bypass_rank", 0, 128},
       }) {
    std::string field = size.pointer + 1;
    std::replace(field.begin(), field.end(), '/', '.');
    EXPECT_THAT(ErrorOf(With(size.pointer, size.least - 1)),
                HasSubstr(absl::StrCat(field, ": ", size.least - 1, "; must be at least ", size.least)));
    EXPECT_THAT(ErrorOf(With(size.pointer, size.most + 1)),
                HasSubstr(absl::StrCat(field, ": ", size.most + 1, "; must be at most ")));
    for (const int64_t good : {size.least, size.most == kHuge ? size.least : size.most}) {
      // Another rule may still say no: sizes must fit each other.
      EXPECT_THAT(std::string(ParseModelConfig(With(size.pointer, good)).status().message()),
                  ::testing::Not(HasSubstr(absl::StrCat(field, ": ", good, "; must be at "))));
    }
  }
  for (const nlohmann::json& size : std::vector<nlohmann::json>{{0, 4}, {4, 0}, {8193, 4}, {4, 8193}}) {
    EXPECT_THAT(ErrorOf(With("/transformer/latent_hw", size)), HasSubstr("must be at "));
  }
}

TEST(ModelConfig, WhatOtherRulesForbidIsNamedToo) {
  EXPECT_THAT(ErrorOf(With("/name", "")), HasSubstr("name: \"\"; must not be empty"));
  EXPECT_THAT(ErrorOf(With("/transformer/eps", 0)), HasSubstr("transformer.eps: 0; must be a positive number"));
  EXPECT_THAT(ErrorOf(With("/text_encoder/eps", -1)), HasSubstr("text_encoder.eps: -1; must be a positive number"));
  EXPECT_THAT(ErrorOf(With("/transformer/freq_dim", 255)), HasSubstr("transformer.freq_dim: 255; must be a multiple"));
  EXPECT_THAT(ErrorOf(With("/transformer/num_heads", 64)), HasSubstr("dim / num_heads must be even"));
  EXPECT_THAT(ErrorOf(With("/transformer/latent_hw", {13, 20})), HasSubstr("multiple of patch_height"));
  EXPECT_THAT(ErrorOf(With("/transformer/out_dim", 8)), HasSubstr("must equal transformer.out_dim (8)"));
  EXPECT_THAT(ErrorOf(With("/text_encoder/num_heads", 63)), HasSubstr("multiple of num_heads"));
  EXPECT_THAT(ErrorOf(With("/text_encoder/file", "..")), HasSubstr("text_encoder.file"));
  EXPECT_THAT(ErrorOf(With("/decoder/file", "a/b")), HasSubstr("decoder.file"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", nlohmann::json::array())), HasSubstr("0 steps"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", {1001})), HasSubstr("sampling.denoise_steps: 1001"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", {500, 500})), HasSubstr("sampling.denoise_steps: 500"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", {750.5})), HasSubstr("sampling.denoise_steps: 750.5"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", {0})), HasSubstr("sampling.denoise_steps: 0"));
  EXPECT_THAT(ErrorOf(With("/retention/file", "../routers")), HasSubstr("retention.file"));
  EXPECT_THAT(ErrorOf(With("/retention/frame_floor", 1.01)), HasSubstr("retention.frame_floor: 1.01"));
  EXPECT_THAT(ErrorOf(With("/retention/frame_floor", -0.01)), HasSubstr("retention.frame_floor: -0.01"));
  EXPECT_THAT(ErrorOf(With("/retention/step_delta_tenths", {-11, 0, 0, 0})), HasSubstr("from -10 to 10"));
  EXPECT_THAT(ErrorOf(With("/retention/step_delta_tenths", {11, 0, 0, 0})), HasSubstr("from -10 to 10"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/0", {1})), HasSubstr("a budget must be 1 to 9 tenths"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/dense", {1})), HasSubstr("a budget must be 1 to 9 tenths"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {10, 8, 10, 8, 0, 8})), HasSubstr("retention.tables.9: 0; must be"));
}

TEST(ModelConfig, AConfigMadeInMemoryIsHeldToTheRulesOfAText) {
  const auto error_of = [](const std::function<void(ModelConfig*)>& spoil) {
    ModelConfig config = TinyConfig();
    spoil(&config);
    return std::string(config.Validate().message());
  };
  EXPECT_THAT(error_of([](auto* config) { config->retention.file.clear(); }), HasSubstr("retention.file"));
  EXPECT_THAT(error_of([](auto* config) { std::swap(config->retention.tables[0], config->retention.tables[1]); }),
              HasSubstr("budgets must fall"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[1].nominal = 9; }), HasSubstr("budgets must fall"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[1].nominal = 0; }), HasSubstr("budgets must fall"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[0].nominal = 10; }), HasSubstr("budgets must fall"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[0].tenths[2].pop_back(); }), HasSubstr("4 columns"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[0].tenths[2][1] = 11; }), HasSubstr("11; must be"));
  EXPECT_THAT(error_of([](auto* config) { config->retention.tables[0].tenths[2][1] = 0; }), HasSubstr("0; must be"));
  EXPECT_THAT(error_of([](auto* config) { config->sampling.denoise_steps.assign(1001, 5); }), HasSubstr("1001 steps"));
  EXPECT_THAT(error_of([](auto* config) { config->transformer_file = std::string("a\0b", 3); }),
              HasSubstr("transformer.file"));
  const auto wan_error_of = [&](const std::function<void(DecoderConfig*)>& spoil) {
    return error_of([&](ModelConfig* config) {
      config->decoder.kind = DecoderKind::kWanVae;
      spoil(&config->decoder);
    });
  };
  EXPECT_EQ(wan_error_of([](auto*) {}), "");
  EXPECT_THAT(wan_error_of([](auto* decoder) { decoder->base_dim = 0; }), HasSubstr("decoder.base_dim: 0"));
  EXPECT_THAT(wan_error_of([](auto* decoder) { decoder->dim_mult.clear(); }), HasSubstr("decoder.dim_mult: 0 levels"));
  EXPECT_THAT(wan_error_of([](auto* decoder) { decoder->dim_mult.assign(17, 1); }), HasSubstr("17 levels"));
  EXPECT_THAT(wan_error_of([](auto* decoder) { decoder->dim_mult = {0}; }), HasSubstr("decoder.dim_mult: 0"));
  EXPECT_THAT(wan_error_of([](auto* decoder) { decoder->dim_mult = {1025}; }), HasSubstr("decoder.dim_mult: 1025"));
  EXPECT_EQ(error_of([](auto* config) { config->decoder.base_dim = 0; }), "") << "of the other decoder kinds no part";
}

TEST(ModelConfig, EveryPartIsReadWhole) {
  for (const char* part : {"transformer", "text_encoder", "tokenizer", "decoder", "sampling", "retention"}) {
    EXPECT_THAT(ErrorOf(With(absl::StrCat("/", part, "/nonsense").c_str(), 3)),
                HasSubstr(absl::StrCat(part, ".nonsense: unknown key")));
    if (std::string(part) == "retention") continue;
    EXPECT_THAT(ErrorOf(Without("", part)), HasSubstr(absl::StrCat(part, ": is missing")));
  }
  EXPECT_THAT(ErrorOf(Without("/text_encoder", "dim")), HasSubstr("text_encoder.dim: is missing"));
  EXPECT_THAT(ErrorOf(Without("/tokenizer", "file")), HasSubstr("tokenizer.file: is missing"));
  EXPECT_THAT(ErrorOf(Without("/sampling", "shift")), HasSubstr("sampling.shift: is missing"));
  EXPECT_THAT(ErrorOf(With("/sampling/shift", "5")), HasSubstr("sampling.shift: is \"5\"; must be a number"));
  EXPECT_THAT(ErrorOf(With("/sampling/denoise_steps", 5)), HasSubstr("must be an array"));
  EXPECT_THAT(ErrorOf(With("/retention/floor_tenths", int64_t{1} << 40)), HasSubstr("must be an integer of 32 bits"));
  EXPECT_THAT(ErrorOf(With("/retention/floor_tenths", -(int64_t{1} << 40))),
              HasSubstr("must be an integer of 32 bits"));
}

TEST(ModelConfig, BracketsInsideStringsAreNoNesting) {
  EXPECT_TRUE(ParseModelConfig(With("/description", std::string(1000, '[') + "\"" + std::string(1000, '{'))).ok());
  EXPECT_THAT(ErrorOf(With("/nonsense", std::string(1000, '[') + "\\")), HasSubstr("nonsense: unknown key"));
}

TEST(ModelConfig, AWrongTypeAMissingKeyAndAnUnknownKeyAreNamed) {
  EXPECT_THAT(ErrorOf(With("/transformer/dim", "192")), HasSubstr("transformer.dim: is \"192\"; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", 192.5)), HasSubstr("is 192.5; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", 18446744073709551615u)),
              HasSubstr("is 18446744073709551615; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", {192})), HasSubstr("is an array; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer/dim", std::string(100, 'x'))), HasSubstr("xxx...; must be an integer"));
  EXPECT_THAT(ErrorOf(With("/transformer", 3)), HasSubstr("transformer: is 3; must be an object"));
  EXPECT_THAT(ErrorOf(With("/example_prompts", {1})), HasSubstr("example_prompts[0]: is 1; must be a string"));
  EXPECT_THAT(ErrorOf(Without("/transformer", "dim")), HasSubstr("transformer.dim: is missing"));
  EXPECT_THAT(ErrorOf(Without("", "decoder")), HasSubstr("decoder: is missing"));
  EXPECT_THAT(ErrorOf(With("/transformer/dimm", 3)), HasSubstr("transformer.dimm: unknown key"));
  EXPECT_THAT(ErrorOf(With("/decoder/base_dim", 3)), HasSubstr("decoder.base_dim: unknown key"));
}

TEST(ModelConfig, ANameThatSteersATerminalIsRefused) {
  EXPECT_THAT(ErrorOf(With("/name", "")), HasSubstr("name: \"\"; must not be empty"));
  EXPECT_THAT(ErrorOf(With("/name", "ti\x1b[2Jny")), HasSubstr("name: \"ti\\x1b[2Jny\"; must hold no control"));
  EXPECT_THAT(ErrorOf(With("/name", std::string("ti\0ny", 5))), HasSubstr("name: \"ti\\x00ny\"; must hold no control"));
  EXPECT_TRUE(ParseModelConfig(With("/name", "kleines Modell für 小")).ok());
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

}  // namespace
}  // namespace videodiffcr
