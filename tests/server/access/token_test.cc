#include "server/access/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TokenTest, ATokenMatchesWhatIsStoredOfItAndNoOther) {
  const NewToken one = *MakeToken("2026-11-27"), other = *MakeToken("2026-11-27");
  const TokenParts parts = *SplitToken(one.text);
  EXPECT_EQ(parts.id, one.stored.id);
  EXPECT_TRUE(Matches(one.stored, parts.secret));
  EXPECT_FALSE(Matches(other.stored, parts.secret));
  EXPECT_FALSE(Matches(one.stored, parts.secret.substr(1)));
  EXPECT_FALSE(Matches(one.stored, ""));
}

TEST(TokenTest, WhatIsStoredDoesNotHoldTheSecret) {
  const NewToken token = *MakeToken("2026-11-27");
  EXPECT_THAT(absl::StrCat(token.stored.id, token.stored.salt, token.stored.hash),
              Not(HasSubstr(SplitToken(token.text)->secret)));
  EXPECT_NE(token.stored.hash, MakeToken("2026-11-27")->stored.hash);
}

TEST(TokenTest, WhatHasNotTheFormOfATokenIsNone) {
  const std::string token = MakeToken("2026-11-27")->text;
  EXPECT_TRUE(SplitToken(token).has_value());
  EXPECT_FALSE(SplitToken("").has_value());
  EXPECT_FALSE(SplitToken(token + "x").has_value());
  EXPECT_FALSE(SplitToken(token.substr(1)).has_value());
  EXPECT_FALSE(SplitToken(absl::StrCat("vdcr_zzzzzzzz", token.substr(13))).has_value()) << "an id is hexadecimal";
}

}  // namespace
}  // namespace videodiffcr
