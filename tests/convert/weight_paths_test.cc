#include "convert/weight_paths.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WeightPathsTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content = "x") {
    const std::string path = folder_.Path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    WriteFile(path, content);
    return path;
  }
  std::vector<std::string> Find(const std::string& path, const std::string& part = "transformer") {
    const absl::StatusOr<std::vector<std::string>> files = FindWeightFiles({path}, part);
    EXPECT_TRUE(files.ok()) << files.status();
    return files.value_or(std::vector<std::string>());
  }
  std::string Refusal(const std::string& path) { return MessageOf(FindWeightFiles({path}, "transformer")); }

  TemporaryFolder folder_;
};

constexpr char kIndex[] = R"({"metadata": {"total_size": 2}, "weight_map": {"a": "m-00001-of-00002.safetensors",
  "b": "m-00002-of-00002.safetensors", "c": "m-00001-of-00002.safetensors"}})";

TEST_F(WeightPathsTest, AnIndexAndItsFolderStandForTheShards) {
  const std::string first = Write("t/m-00001-of-00002.safetensors");
  const std::string second = Write("t/m-00002-of-00002.safetensors");
  EXPECT_THAT(Find(folder_.Path("t")), ElementsAre(first, second));  // without the index
  const std::string index = Write("t/m.safetensors.index.json", kIndex);
  EXPECT_THAT(Find(index), ElementsAre(first, second));
  EXPECT_THAT(Find(folder_.Path("t")), ElementsAre(first, second));
}

TEST_F(WeightPathsTest, AFolderOfAWholePipelineStandsForItsPart) {
  const std::string file = Write("wan/transformer/diffusion_pytorch_model.safetensors");
  Write("wan/transformer/config.json", "{}");
  Write("wan/model_index.json", "{}");
  EXPECT_THAT(Find(folder_.Path("wan")), ElementsAre(file));
  EXPECT_THAT(Find(file), ElementsAre(file));
}

TEST_F(WeightPathsTest, NamesTheShardsThatAreMissing) {
  const std::string index = Write("t/m.safetensors.index.json", kIndex);
  EXPECT_THAT(Refusal(index), HasSubstr("names 2 shards, of which 2 are not beside it (m-00001-of-00002.safetensors"));
  const std::string first = Write("t/m-00001-of-00002.safetensors");
  EXPECT_THAT(Refusal(folder_.Path("t")), HasSubstr("1 are not beside it (m-00002-of-00002.safetensors)"));
  EXPECT_THAT(Refusal(first), HasSubstr("is shard 1 of 2; give all of them"));
  std::filesystem::remove(index);
  EXPECT_THAT(Refusal(folder_.Path("t")), HasSubstr("holds 1 of 2 shards"));
}

TEST_F(WeightPathsTest, SaysWhatAFolderHoldsThatHasNoWeightsOrSeveral) {
  Write("several/a.safetensors");
  Write("several/b.safetensors");
  EXPECT_THAT(Refusal(folder_.Path("several")), HasSubstr("several files of weights (a.safetensors, b.safetensors)"));
  Write("none/notes.txt");
  EXPECT_THAT(Refusal(folder_.Path("none")),
              HasSubstr("holds no weights (.safetensors, .pt, .pth, .bin); it has: notes.txt"));
  Write("dcp/__0_0.distcp");
  Write("dcp/.metadata");
  EXPECT_THAT(Refusal(folder_.Path("dcp")), HasSubstr("is a distributed checkpoint of PyTorch"));
}

TEST_F(WeightPathsTest, AnIndexOnlyNamesFilesBesideIt) {
  for (const char* name : {"../x", "/etc/passwd", "", "..", "a/b"}) {
    const std::string index = Write("t/x.index.json", std::string(R"({"weight_map": {"a": ")") + name + R"("}})");
    EXPECT_THAT(Refusal(index), HasSubstr("weight_map.a must be the plain name")) << name;
  }
  EXPECT_THAT(Refusal(Write("t/x.index.json", "{}")), HasSubstr("has no weight_map"));
  EXPECT_THAT(Refusal(Write("t/x.index.json", R"({"weight_map": {}})")), HasSubstr("names no shards"));
  EXPECT_THAT(Refusal(Write("t/x.index.json", R"({"weight_map": )")), HasSubstr("x.index.json"));
  EXPECT_THAT(Refusal(Write("t/x.index.json", "version https://git-lfs.github.com/spec/v1\nsize 5\n")),
              HasSubstr("is a Git LFS pointer"));
}

TEST_F(WeightPathsTest, FindsTheTokenizerOfAFolder) {
  const std::string model = Write("wan/tokenizer/spiece.model");
  EXPECT_EQ(*FindTokenizerFile(folder_.Path("wan")), model);
  EXPECT_EQ(*FindTokenizerFile(folder_.Path("wan/tokenizer")), model);
  EXPECT_EQ(*FindTokenizerFile(model), model);
  Write("none/tokenizer.json", "{}");
  EXPECT_THAT(MessageOf(FindTokenizerFile(folder_.Path("none"))), HasSubstr("no spiece.model"));
}

}  // namespace
}  // namespace videodiffcr
