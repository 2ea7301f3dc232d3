#include "model/plain/text/prompt_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

// The tiny model's tokenizer, as `cleaning` prepares its prompts.
PromptCheck Check(std::string_view prompt, PromptCleaning cleaning) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(
      std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny/spiece.model", {.cleaning = cleaning});
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  const absl::StatusOr<PromptCheck> check = CheckPrompt(*tokenizer, prompt);
  EXPECT_TRUE(check.ok()) << check.status();
  return check.value_or(PromptCheck());
}

TEST(PromptCheckTest, APromptIsBlankWhenCleaningLeavesNothingOfIt) {
  for (std::string_view blank : {" ", "\u3000", "\u200B", "&nbsp;&#x3000;", "&amp;nbsp;", "\x1B[0m", "\uFEFF\u00A0"}) {
    EXPECT_TRUE(Check(blank, PromptCleaning::kWhitespace).blank) << ::testing::PrintToString(blank);
    EXPECT_TRUE(Check(blank, PromptCleaning::kWords).blank) << ::testing::PrintToString(blank);
  }
}

TEST(PromptCheckTest, PunctuationAloneIsBlankForAModelOfWholeWordsOnly) {
  EXPECT_TRUE(Check("?! ... \U0001F600", PromptCleaning::kWords).blank);
  EXPECT_FALSE(Check("?! ...", PromptCleaning::kWhitespace).blank);
}

TEST(PromptCheckTest, AWordThatTheModelDoesNotKnowIsNotBlank) {
  const PromptCheck check = Check("a hippopotamus", PromptCleaning::kWords);
  EXPECT_FALSE(check.blank);
  EXPECT_THAT(check.unknown_words, ElementsAre("hippopotamus"));
}

TEST(PromptCheckTest, NothingIsBlankHoweverLongItIs) {
  std::string spaces;
  for (int i = 0; i < 2000; ++i) spaces += "\u200B ";
  EXPECT_TRUE(Check(spaces, PromptCleaning::kWhitespace).blank);
}

}  // namespace
}  // namespace videodiffcr
