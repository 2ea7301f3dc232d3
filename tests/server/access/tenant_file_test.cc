#include "server/access/tenant_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TenantFile OneTenant() {
  TenantEntry tenant;
  tenant.name = "acme";
  tenant.limits.max_sessions = 4;
  tenant.limits.floor = 0.8;
  tenant.tokens.push_back(MakeToken("2026-11-27")->stored);
  return {tenant};
}

std::string MessageOf(const std::string& text) { return std::string(ParseTenants(text).status().message()); }

TEST(TenantFileTest, WhatIsWrittenIsRead) {
  const std::string path = absl::StrCat(testing::TempDir(), "tenants_", getpid());
  const TenantFile written = OneTenant();
  ASSERT_TRUE(WriteTenants(path, written).ok());
  const TenantFile read = *ReadTenants(path);
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].name, "acme");
  EXPECT_EQ(read[0].limits.max_sessions, 4);
  EXPECT_EQ(read[0].limits.floor, 0.8);
  EXPECT_FALSE(read[0].limits.chunks_per_minute.has_value());
  ASSERT_THAT(read[0].tokens, SizeIs(1));
  EXPECT_EQ(read[0].tokens[0].hash, written[0].tokens[0].hash);
  struct stat file = {};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0007, 0U) << "not for everybody to read";
  unlink(path.c_str());
}

TEST(TenantFileTest, AMissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ReadTenants("/nowhere/tokens.json").status()));
}

TEST(TenantFileTest, WhatIsWrongIsNamedWithItsPlace) {
  EXPECT_THAT(MessageOf("{"), HasSubstr("no JSON"));
  EXPECT_THAT(MessageOf("{}"), HasSubstr("tenants must be a list"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a b", "tokens": []}]})"), HasSubstr("tenants[0].name"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a", "tokens": [], "max_session": 1}]})"),
              HasSubstr("unknown field max_session"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a", "tokens": [], "max_sessions": -1}]})"),
              HasSubstr("a.max_sessions"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a", "tokens": [], "max_sessions": 1.5}]})"),
              HasSubstr("a.max_sessions"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a", "tokens": [], "floor": 2}]})"), HasSubstr("a.floor"));
  EXPECT_THAT(
      MessageOf(R"({"tenants": [{"name": "a", "tokens": [{"id": "1", "added": "", "salt": "x", "hash": ""}]}]})"),
      HasSubstr("a.tokens[0].salt"));
  EXPECT_THAT(MessageOf(R"({"tenants": [{"name": "a", "tokens": []}, {"name": "a", "tokens": []}]})"),
              HasSubstr("tenant a is there twice"));
}

}  // namespace
}  // namespace videodiffcr
