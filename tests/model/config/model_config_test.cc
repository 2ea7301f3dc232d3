#include "model/config/model_config.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/config/model_config_file.h"
#include "tests/model/config/config_text.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

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

TEST(ModelConfig, ALayerOfATableIsARatioOrARowPerStep) {
  const std::string text = With("/retention/tables/9", {{4, 9, 10, 10, 6}, 8, 10, {5, 7, 9, 10, 8}, 10, 8});
  const absl::StatusOr<ModelConfig> read = ParseModelConfig(text);
  ASSERT_TRUE(read.ok()) << read.status();
  const std::vector<std::vector<int>>& layers = read->retention.tables[0].tenths;
  EXPECT_EQ(layers[0], (std::vector<int>{4, 9, 10, 10, 6}));
  EXPECT_EQ(layers[1], (std::vector<int>{5, 7, 9, 10, 8}));
  EXPECT_EQ(layers[3], layers[1]) << "a row that is a ratio with its deltas is that ratio";
  const absl::StatusOr<ModelConfig> again = ParseModelConfig(FormatModelConfig(*read));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->retention.tables[0].tenths, layers);
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {{4, 9, 10}, 8, 10, 8, 10, 8})), HasSubstr("9: 3 columns"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {{4, 9, 10, 0, 6}, 8, 10, 8, 10, 8})), HasSubstr("9: 0; must be"));
  EXPECT_THAT(ErrorOf(With("/retention/tables/9", {{4, "9"}, 8, 10, 8, 10, 8})), HasSubstr("tables.9[0][1]"));
}

TEST(ModelConfig, RetentionOfTheCacheIsANumberOrARowPerBudgetAndReadsBackEqual) {
  ModelConfig config = TinyConfig();
  config.retention.cache.score = CacheScore::kSaliency;
  config.retention.cache.shares = {{10, {50}}, {7, {100, 25, 50, 50, 25, 100}}};
  const absl::StatusOr<ModelConfig> read = ParseModelConfig(FormatModelConfig(config));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FormatModelConfig(*read), FormatModelConfig(config));
  EXPECT_EQ(read->retention.cache.score, CacheScore::kSaliency);
  ASSERT_EQ(read->retention.cache.shares.size(), 2u);
  EXPECT_EQ(read->retention.cache.shares[0].percent, std::vector<int>{50});
  EXPECT_EQ(read->retention.cache.shares[1].percent[1], 25);
}

TEST(ModelConfig, ADenseModelMayRetainItsCacheToo) {
  ModelConfig config = TinyConfig();
  config.retention = {};
  config.retention.cache = UniformCacheRetention(CacheScore::kKeyNorm, 50, {10});
  const absl::StatusOr<ModelConfig> read = ParseModelConfig(FormatModelConfig(config));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->retention.cache.score, CacheScore::kKeyNorm);
  EXPECT_FALSE(read->retention.cache.whole());
}

TEST(ModelConfig, AFileThatDoesNotParseIsNamed) {
  const std::string folder = ::testing::TempDir() + "/model_config_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/config.json") << "{";
  EXPECT_THAT(std::string(LoadModelConfig(folder).status().message()),
              HasSubstr(folder + "/config.json: not valid JSON"));
  std::ofstream(folder + "/config.json") << FormatModelConfig(TinyConfig());
  EXPECT_TRUE(LoadModelConfig(folder).ok());
  std::filesystem::remove_all(folder);
}

TEST(ModelConfig, SizesOfAVideoFollowFromTheLatents) {
  const ModelConfig config = TinyConfig();
  EXPECT_EQ(config.transformer.window_tokens(), 12 * 60);
  EXPECT_EQ(config.pixel_width(), 20 * config.decoder.spatial_factor);
  EXPECT_EQ(config.pixel_height(), 12 * config.decoder.spatial_factor);
  EXPECT_EQ(config.first_chunk_frames(), 9);
  EXPECT_EQ(config.later_chunk_frames(), 12);
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

// A pipe held the loading server for ever, /dev/zero filled its memory.
TEST(ModelConfig, AConfigThatIsNoRegularFileOrFarTooLongIsRefusedAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("config.json");
  std::filesystem::create_symlink("/dev/zero", path);
  EXPECT_THAT(std::string(LoadModelConfig(folder.Path("")).status().message()), HasSubstr("is not a regular file"));
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(std::string(ReadModelConfig(path).status().message()), HasSubstr(path + ": is not a regular file"));
  std::filesystem::remove(path);
  folder.Write("config.json", "{}");
  std::filesystem::resize_file(path, uintmax_t{1} << 40);
  EXPECT_THAT(std::string(ReadModelConfig(path).status().message()), HasSubstr("it may have at most 4194304"));
}

TEST(ModelConfig, AFolderWithoutConfigNamesThePath) {
  EXPECT_THAT(std::string(LoadModelConfig("/nowhere").status().message()), HasSubstr("/nowhere/config.json"));
}

}  // namespace
}  // namespace videodiffcr
