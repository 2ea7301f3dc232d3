#include "system/bounded_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& text) { return std::string(ParseBoundedJson(text, 3).status().message()); }

TEST(BoundedJsonTest, WhatIsNestedAsDeepAsAllowedIsReadAndCopied) {
  const auto parsed = ParseBoundedJson(R"({"a": [{"b": "[[[[ \" {"}]})", 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const nlohmann::json copy = *parsed;
  EXPECT_EQ(copy["a"][0]["b"], "[[[[ \" {");
}

TEST(BoundedJsonTest, WhatIsNestedDeeperIsRefusedBeforeItIsParsed) {
  EXPECT_EQ(Refusal("[[[[]]]]"), "JSON is nested 4 containers deep; at most 3 are read");
  EXPECT_THAT(Refusal(std::string(1 << 20, '[')), HasSubstr("nested 1048576 containers deep"));
  EXPECT_THAT(Refusal("{\"a\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}"), HasSubstr("30001"));
}

TEST(BoundedJsonTest, AKeyTwiceInOneObjectIsNamedAndTheSameInTwoIsNot) {
  EXPECT_EQ(Refusal(R"({"a": 1, "b": {"c": 1, "c": 2}})"), "c: key appears twice");
  EXPECT_TRUE(ParseBoundedJson(R"({"a": {"b": 1}, "b": 2})", 3).ok());
}

TEST(BoundedJsonTest, WhatIsNoJsonIsAnErrorAndNoException) {
  for (const std::string text : {"", "{", "nul", "{\"a\": \"\xff\"}", "[1] 2", "1e999"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("not valid JSON")) << text;
  }
}

}  // namespace
}  // namespace videodiffcr
