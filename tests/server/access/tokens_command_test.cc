#include "server/access/tokens_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/access/access_control.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TokensCommandTest : public testing::Test {
 protected:
  TokensCommandTest() : path_(absl::StrCat(testing::TempDir(), "tokens_command_", getpid())) {}
  ~TokensCommandTest() override { unlink(path_.c_str()); }

  int Run(std::vector<std::string_view> arguments) {
    arguments.insert(arguments.begin() + 1, {"--tokens-file", path_});
    out_.str("");
    errors_.str("");
    return RunTokensCommand(arguments, out_, errors_);
  }

  const std::string path_;
  std::ostringstream out_, errors_;
};

TEST_F(TokensCommandTest, ATokenIsPrintedOnceWorksUntilItIsRemovedAndIsNowhereInTheFile) {
  ASSERT_EQ(Run({"add", "--max-sessions", "4", "acme"}), 0) << errors_.str();
  const std::string token(absl::StripSuffix(out_.str(), "\n"));
  const auto control = *AccessControl::Create(path_);
  EXPECT_TRUE(control->Authenticate(absl::StrCat("Bearer ", token)).ok());
  ASSERT_EQ(Run({"list"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("acme max_sessions=4"));
  const std::string id = SplitToken(token)->id;
  EXPECT_THAT(out_.str(), HasSubstr(id));
  EXPECT_THAT(FormatTenants(*ReadTenants(path_)), Not(HasSubstr(SplitToken(token)->secret)));
  ASSERT_EQ(Run({"remove", id}), 0) << errors_.str();
  ASSERT_TRUE(control->ReloadIfChanged().ok());
  EXPECT_FALSE(control->Authenticate(absl::StrCat("Bearer ", token)).ok());
}

TEST_F(TokensCommandTest, ASecondTokenOfATenantKeepsTheFirstAndTheLimitsThatAreNotGiven) {
  ASSERT_EQ(Run({"add", "--max-sessions", "4", "acme"}), 0);
  ASSERT_EQ(Run({"add", "--chunks-per-minute", "60", "acme"}), 0);
  const TenantFile tenants = *ReadTenants(path_);
  ASSERT_EQ(tenants.size(), 1U);
  EXPECT_EQ(tenants[0].tokens.size(), 2U);
  EXPECT_EQ(tenants[0].limits.max_sessions, 4);
  EXPECT_EQ(tenants[0].limits.chunks_per_minute, 60);
}

TEST_F(TokensCommandTest, LimitsAreChangedAndTakenAwayWithoutAnotherToken) {
  ASSERT_EQ(Run({"add", "--max-sessions", "4", "--floor", "0.7", "acme"}), 0);
  ASSERT_EQ(Run({"limit", "--max-sessions", "none", "--floor", "0.8", "acme"}), 0) << errors_.str();
  const TenantFile tenants = *ReadTenants(path_);
  EXPECT_EQ(tenants[0].tokens.size(), 1U);
  EXPECT_EQ(tenants[0].limits.max_sessions, std::nullopt);
  EXPECT_EQ(tenants[0].limits.floor, 0.8);
  EXPECT_EQ(Run({"limit", "--floor", "0.8", "nobody"}), 1);
  EXPECT_EQ(Run({"limit", "acme"}), 2);
  EXPECT_EQ(Run({"limit", "--floor", "no", "acme"}), 2);
  EXPECT_THAT(errors_.str(), HasSubstr("a number from 0.1 to 1, or none"));
}

TEST_F(TokensCommandTest, ATokenThatIsRemovedThroughALinkIsGoneFromTheFileBehindIt) {
  const std::string file = path_ + "_behind";
  ASSERT_EQ(symlink(file.c_str(), path_.c_str()), 0);
  ASSERT_EQ(Run({"add", "acme"}), 0) << errors_.str();
  const std::string id = SplitToken(absl::StripSuffix(out_.str(), "\n"))->id;
  EXPECT_THAT(ReadFile(file), HasSubstr(id)) << "the file is new, and the link was there";
  ASSERT_EQ(Run({"limit", "--max-sessions", "3", "acme"}), 0) << errors_.str();
  EXPECT_THAT(ReadFile(file), HasSubstr("\"max_sessions\": 3"));
  ASSERT_EQ(Run({"remove", id}), 0) << errors_.str();
  EXPECT_THAT(ReadFile(file), AllOf(HasSubstr("acme"), Not(HasSubstr(id))));
  unlink(file.c_str());
}

TEST_F(TokensCommandTest, WhatIsWrongIsSaidWithAStatusOfItsKind) {
  EXPECT_EQ(Run({"add"}), 2);
  EXPECT_EQ(Run({"add", "a b"}), 2);
  EXPECT_THAT(errors_.str(), HasSubstr("a b"));
  EXPECT_EQ(Run({"list"}), 1) << "there is no file yet";
  ASSERT_EQ(Run({"add", "acme"}), 0);
  EXPECT_EQ(Run({"remove", "ffffffff"}), 1);
  EXPECT_THAT(errors_.str(), HasSubstr("ffffffff"));
}

}  // namespace
}  // namespace videodiffcr
