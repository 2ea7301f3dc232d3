// The parts of models/tiny fit together: what one file says of another's sizes is true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "model/config/model_config.h"
#include "model/plain/text/tokenizer.h"

namespace videodiffcr {
namespace {

std::string TinyFolder() { return std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny"; }

TEST(TinyModel, KnowsEveryWordOfItsExamplePrompts) {
  const ModelConfig config = LoadModelConfig(TinyFolder()).value();
  const Tokenizer tokenizer = Tokenizer::LoadFromFolder(TinyFolder(), config).value();
  ASSERT_FALSE(config.example_prompts.empty());
  for (const std::string& prompt : config.example_prompts) {
    EXPECT_THAT(tokenizer.Tokenize(prompt)->unknown_words, ::testing::IsEmpty()) << prompt;
  }
}

TEST(TinyModel, KeepsAboutAsManyRowsAsItsBudgetsSay) {
  const ModelConfig config = LoadModelConfig(TinyFolder()).value();
  ASSERT_EQ(config.retention.tables.size(), 5);
  const double executed[] = {0.8, 0.7375, 0.6708, 0.5917, 0.5125};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(ExecutedRetention(config.retention.tables[i], config.transformer.tokens_per_chunk()), executed[i],
                1e-4);
  }
}

}  // namespace
}  // namespace videodiffcr
