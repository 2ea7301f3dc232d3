#include "model/plain/text/prompt_cleaning.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace videodiffcr {
namespace {

std::string Whitespace(std::string_view prompt) { return CleanPrompt(prompt, PromptCleaning::kWhitespace).value(); }
std::string Words(std::string_view prompt) { return CleanPrompt(prompt, PromptCleaning::kWords).value(); }

TEST(PromptCleaning, LeavesPlainEnglishAlone) {
  EXPECT_EQ(Whitespace("A cat, 3 years old, walks. Slowly!"), "A cat, 3 years old, walks. Slowly!");
}

TEST(PromptCleaning, CollapsesEveryKindOfSpaceAndStripsBothEnds) {
  EXPECT_EQ(Whitespace(" \t a\r\n\n b\u00A0\u2003c\u3000d\u2028"), "a b c d");
}

TEST(PromptCleaning, StraightensCurlyQuotes) { EXPECT_EQ(Whitespace("\u201Ccat\u2019s\u201D"), "\"cat's\""); }

TEST(PromptCleaning, WritesLigaturesAsLetters) { EXPECT_EQ(Whitespace("a \uFB01re, \u0133s"), "a fire, ijs"); }

TEST(PromptCleaning, MakesFullWidthFormsNormal) { EXPECT_EQ(Whitespace("\uFF21\uFF42\uFF01\uFF71"), "Ab!\u30A2"); }

TEST(PromptCleaning, ComposesAccentsToNfc) { EXPECT_EQ(Whitespace("cafe\u0301 \u1100\u1161"), "caf\u00E9 \uAC00"); }

TEST(PromptCleaning, RemovesControlCharactersAndTerminalColours) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(Whitespace("a\0b\x07\x7F\uFEFF \x1B[1;31mred\x1B[0m"sv), "ab red");
}

TEST(PromptCleaning, UnescapesEntitiesThreeTimes) {
  EXPECT_EQ(Whitespace("salt &amp;amp;amp; pepper"), "salt & pepper");
  EXPECT_EQ(Whitespace("&quot;&#65;&#x42;&quot;"), "\"AB\"");
}

TEST(PromptCleaning, UnescapesEntitiesOnlyTwiceWhenThePromptHoldsATag) {
  EXPECT_EQ(Whitespace("<b> &amp;amp;amp;"), "<b> &amp;");
}

TEST(PromptCleaning, KeepsEntitiesItDoesNotKnow) {
  EXPECT_EQ(Whitespace("a &nonsense; & b &#; &"), "a &nonsense; & b &#; &");
}

TEST(PromptCleaning, TurnsImpossibleNumericEntitiesIntoTheReplacementCharacter) {
  EXPECT_EQ(Whitespace("&#0;&#xD800;&#99999999999999999999;"), "\uFFFD\uFFFD\uFFFD");
}

TEST(PromptCleaning, LowersCaseAndDropsPunctuationForWholeWordModels) {
  EXPECT_EQ(Words("A large, RED circle -- on a \u201Cnavy\u201D background!"),
            "a large red circle on a navy background");
  EXPECT_EQ(Words("red+blue=\u20AC"), "red blue");
}

TEST(PromptCleaning, TurnsNothingButSpacesIntoNothing) {
  EXPECT_EQ(Whitespace(" \n\t "), "");
  EXPECT_EQ(Words("?! ..."), "");
  EXPECT_EQ(Whitespace(""), "");
}

TEST(PromptCleaning, SpacesAndInvisibleCharactersOfUnicodeAreBlank) {
  for (std::string_view blank :
       {"", " \t\r\n", "\u00A0", "\u3000\u3000", "\u1680\u2000\u200A\u202F\u205F\u2028\u2029\u0085",         // spaces
        "\u200B", "\u200C\u200D\u2060\uFEFF", "\u00AD\u034F\u180E", "\u200E\u200F\u202A\u202E\u2066\u2069",  // formats
        "\u115F\u1160\u3164\uFFA0\u2800", "\uFE0F\U000E0100", "\U000E0020\U000E007F", "\x07\x7F"}) {         // fillers
    EXPECT_TRUE(IsBlank(blank)) << ::testing::PrintToString(blank);
  }
  for (std::string_view visible : {"a", "\u3000.\u3000", "\u200B\u732B", "\u0301", "\uFFFD", "\U0001F600", "\xFF"}) {
    EXPECT_FALSE(IsBlank(visible)) << ::testing::PrintToString(visible);
  }
}

TEST(PromptCleaning, RefusesInvalidUtf8AndNamesTheByte) {
  for (std::string_view bad : {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80", "ab\xF8\x88\x80\x80\x80"}) {
    const absl::StatusOr<std::string> clean = CleanPrompt(bad, PromptCleaning::kWhitespace);
    EXPECT_EQ(clean.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(clean.status().message(), "prompt: not valid UTF-8 at byte 2");
  }
}

}  // namespace
}  // namespace videodiffcr
