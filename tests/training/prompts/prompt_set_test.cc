#include "training/prompts/prompt_set.h"

#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/plain/text/text_encoder.h"
#include "tests/system/read_file.h"
#include "tests/training/tiny_model.h"
#include "training/prompts/text_cache.h"

namespace videodiffcr::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PromptSetTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/prompt_set_test." + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  TextCache Cache(const std::string& fingerprint) { return TextCache::Open(folder_ + "/text", fingerprint).value(); }

  absl::StatusOr<PromptSet> Open(const std::string& text) {
    std::ofstream(folder_ + "/prompts.txt") << text;
    PromptSetOptions options;
    options.model_folder = TinyModel();
    options.file = folder_ + "/prompts.txt";
    options.cache_folder = folder_ + "/text";
    return PromptSet::Open(options, remarks_);
  }

  size_t Files() const {
    size_t files = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder_ + "/text")) ++files;
    return files;
  }

  std::string folder_;
  std::ostringstream remarks_;
};

TEST_F(PromptSetTest, TheCacheGivesBackWhatWasAddedForThatPromptAndEncoderAlone) {
  const at::Tensor rows = at::randn({3, 8}), half = rows.to(at::kBFloat16);
  ASSERT_TRUE(Cache("a").Add("a cat", rows).ok());
  ASSERT_TRUE(Cache("a").Add("a dog", half).ok());
  EXPECT_TRUE(Cache("a").Find("a cat")->equal(rows));
  EXPECT_TRUE(Cache("a").Find("a dog")->equal(half));
  EXPECT_FALSE(Cache("a").Find("a bird"));
  EXPECT_FALSE(Cache("b").Find("a cat"));
}

// As if two prompts had the same hash: the file says whose it is.
TEST_F(PromptSetTest, AFileOfAnotherPromptIsNotBelieved) {
  ASSERT_TRUE(Cache("a").Add("a cat", at::randn({3, 8})).ok());
  std::filesystem::copy(Cache("a").PathOf("a cat"), Cache("a").PathOf("a dog"));
  std::filesystem::copy(Cache("a").PathOf("a cat"), Cache("b").PathOf("a cat"));
  EXPECT_FALSE(Cache("a").Find("a dog"));
  EXPECT_FALSE(Cache("b").Find("a cat"));
}

TEST_F(PromptSetTest, AnyDamagedByteOfAnEntryIsSeen) {
  const TextCache cache = Cache("a");
  ASSERT_TRUE(cache.Add("a cat", at::randn({3, 8})).ok());
  const std::string path = cache.PathOf("a cat");
  const std::string whole = ReadFile(path);
  const auto write = [&path](const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; };
  for (size_t place = whole.size() - 96; place < whole.size(); ++place) {  // the values
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    write(damaged);
    EXPECT_FALSE(cache.Find("a cat")) << place;
  }
  write(whole.substr(0, whole.size() - 1));
  EXPECT_FALSE(cache.Find("a cat"));
  write("");
  EXPECT_FALSE(cache.Find("a cat"));
  write(whole);
  EXPECT_TRUE(cache.Find("a cat"));
}

TEST_F(PromptSetTest, RetainingRemovesWhatIsOfNoUse) {
  const TextCache cache = Cache("a");
  for (const char* prompt : {"a cat", "a dog", "a bird"}) ASSERT_TRUE(cache.Add(prompt, at::randn({1, 8})).ok());
  std::ofstream(folder_ + "/text/cut.partial") << "x";
  cache.Retain({"a dog"});
  EXPECT_EQ(Files(), 1u);
  EXPECT_TRUE(cache.Find("a dog"));
}

TEST_F(PromptSetTest, WhatTheTokenizerLeavesNothingOfIsSkippedAndSaid) {
  const auto prompts = Open("a red circle\n?!\n\xff\xfe\na blue star\n");
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_THAT(prompts->prompts(), ElementsAre("a red circle", "a blue star"));
  EXPECT_THAT(remarks_.str(), HasSubstr("prompts.txt: 2 lines skipped"));
  EXPECT_THAT(remarks_.str(), HasSubstr("prompts.txt:2: nothing to see is left of it once it is cleaned"));
  EXPECT_THAT(remarks_.str(), HasSubstr("prompts.txt:3: "));
}

TEST_F(PromptSetTest, EncodesOnceWhatServingWouldAttendTo) {
  const auto prompts = Open("a red circle moves right\na blue star\n");
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  GradientExchange& alone = *SingleProcess::Instance();
  ASSERT_TRUE(prompts->Encode(prompts->prompts(), alone, remarks_).ok());
  EXPECT_THAT(remarks_.str(), HasSubstr("encoded 2 of 2 prompts"));

  const ModelConfig config = LoadModelConfig(TinyModel()).value();
  const Tokenizer tokenizer = Tokenizer::LoadFromFolder(TinyModel(), config).value();
  const auto file = SafetensorsReader::Open(TinyModel() + "/" + config.text_encoder_file).value();
  const TextEncoderWeights weights = LoadTextEncoderWeights(file, config.text_encoder).value();
  const std::vector<int32_t> ids = tokenizer.Tokenize("a blue star")->ids;
  const at::Tensor expected =
      EncodeTokens(config.text_encoder, weights,
                   at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).unsqueeze(0))[0];
  const at::Tensor rows = prompts->Text("a blue star").value();
  ASSERT_EQ(rows.sizes(), expected.sizes());
  EXPECT_TRUE(rows.allclose(expected, 1e-4, 1e-5));

  remarks_.str("");
  ASSERT_TRUE(prompts->Encode(prompts->prompts(), alone, remarks_).ok());
  EXPECT_EQ(remarks_.str(), "") << "nothing is lacking";
}

TEST_F(PromptSetTest, ADamagedEntryIsMadeAgainAndAnErrorWhereItIsTooLateForThat) {
  const auto prompts = Open("a red circle moves right\na blue star\n");
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  GradientExchange& alone = *SingleProcess::Instance();
  ASSERT_TRUE(prompts->Encode(prompts->prompts(), alone, remarks_).ok());
  const at::Tensor rows = prompts->Text("a blue star").value();
  for (const auto& file : std::filesystem::directory_iterator(folder_ + "/text")) {
    std::ofstream(file.path(), std::ios::binary | std::ios::app) << "more";
  }
  EXPECT_EQ(prompts->Text("a blue star").status().code(), absl::StatusCode::kDataLoss);
  remarks_.str("");
  ASSERT_TRUE(prompts->Encode(prompts->prompts(), alone, remarks_).ok());
  EXPECT_THAT(remarks_.str(), HasSubstr("encoded 2 of 2 prompts"));
  EXPECT_TRUE(prompts->Text("a blue star")->equal(rows));
}

TEST_F(PromptSetTest, APromptOfTooManyTokensIsCutAsTheReferenceDoes) {
  std::string words;
  for (int i = 0; i < 100; ++i) words += "red ";
  const auto prompts = Open(words + "\n");
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  ASSERT_TRUE(prompts->Encode(prompts->prompts(), *SingleProcess::Instance(), remarks_).ok());
  EXPECT_EQ(prompts->Text(prompts->prompts()[0])->size(0), 32);
}

}  // namespace
}  // namespace videodiffcr::training
