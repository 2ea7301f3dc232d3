#include "gateway/http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(TargetTest, APathIsItsPartsAndAQueryItsPairs) {
  const auto target = ParseTarget("/live/a%20b/video.mp4?from=3&x=a+b%26");
  ASSERT_TRUE(target.has_value());
  EXPECT_THAT(target->path, ElementsAre("live", "a b", "video.mp4"));
  EXPECT_THAT(target->query, UnorderedElementsAre(Pair("from", "3"), Pair("x", "a b&")));
}

TEST(TargetTest, TheRootHasNoPartsAndASlashAtTheEndAddsNone) {
  EXPECT_THAT(ParseTarget("/")->path, IsEmpty());
  EXPECT_THAT(ParseTarget("/live/")->path, ElementsAre("live"));
}

TEST(TargetTest, WhatIsNoPlainAbsolutePathIsRefused) {
  for (const char* wrong : {"", "live", "http://host/live", "*", "/%", "/%4", "/%zz", "/a%00b", "/a%0ab", "/..",
                            "/a/../b", "/%2e%2e/b", "/a?x=%"}) {
    EXPECT_FALSE(ParseTarget(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace videodiffcr
