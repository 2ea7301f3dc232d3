#include "convert/tokens_command.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string Describe(const std::string& prompt) {
  const char* root = std::getenv("VIDEODIFFCR_SOURCE_DIR");
  const absl::StatusOr<std::string> text =
      DescribeTokens({.model_folder = std::string(root == nullptr ? "." : root) + "/models/tiny", .prompt = prompt});
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

TEST(TokensCommand, ShowsCleanedTextPiecesAndIds) {
  const std::string text = Describe("A&nbsp;RED zebra!");
  EXPECT_THAT(text, HasSubstr("cleaned: a red zebra\n"));
  EXPECT_THAT(text, HasSubstr("   0       4  \u2581a\n"));
  EXPECT_THAT(text, HasSubstr("   1      45  \u2581red\n"));
  EXPECT_THAT(text, HasSubstr("   2       3  \u2581zebra  (unknown)\n"));
  EXPECT_THAT(text, HasSubstr("   3       1  end of the prompt\n4 tokens of at most 32\nunknown: zebra\n"));
}

TEST(TokensCommand, SaysHowMuchIsTooMuch) {
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "red ";
  EXPECT_THAT(Describe(prompt), HasSubstr("41 tokens of at most 32\ntoo long by 9 tokens"));
}

TEST(TokensCommand, NeedsAFolderAndAPrompt) {
  EXPECT_THAT(MessageOf(ParseTokensCommand({"a", "red"})), HasSubstr("--model-folder is needed"));
  EXPECT_FALSE(ParseTokensCommand({"--model-folder", "m"}).ok());
  const absl::StatusOr<TokensCommand> command = ParseTokensCommand({"--model-folder", "m", "a", "red circle"});
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(command->prompt, "a red circle");
  EXPECT_THAT(MessageOf(DescribeTokens({.model_folder = "/nowhere"})), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace videodiffcr
