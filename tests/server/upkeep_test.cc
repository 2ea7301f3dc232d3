#include "server/upkeep.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

TEST(TrimPolicyTest, NothingIsGivenBackWhereNothingWasTaken) {
  TrimPolicy policy;
  EXPECT_FALSE(policy.Decide({0, 0}));
  EXPECT_FALSE(policy.Decide({0, 0}));
}

TEST(TrimPolicyTest, AServerThatHasBecomeQuietGivesBackTwiceForWhatSessionsFreeLate) {
  TrimPolicy policy;
  EXPECT_FALSE(policy.Decide({3, 10})) << "calls are open";
  EXPECT_FALSE(policy.Decide({0, 20})) << "calls have just begun";
  EXPECT_TRUE(policy.Decide({0, 20}));
  EXPECT_TRUE(policy.Decide({0, 20}));
  EXPECT_FALSE(policy.Decide({0, 20}));
  EXPECT_FALSE(policy.Decide({0, 21}));
  EXPECT_TRUE(policy.Decide({0, 21}));
}

TEST(TrimPolicyTest, WhatTheLastOfManyCallsHeldIsGivenBackToo) {
  TrimPolicy policy;
  EXPECT_TRUE(policy.Decide({3, 1000})) << "many have begun, and three of them are open";
  EXPECT_FALSE(policy.Decide({1, 1000}));
  EXPECT_TRUE(policy.Decide({0, 1000}));
}

TEST(TrimPolicyTest, ABusyServerGivesBackAfterManyCalls) {
  TrimPolicy policy;
  EXPECT_FALSE(policy.Decide({1, 999}));
  EXPECT_TRUE(policy.Decide({1, 1000}));
  EXPECT_FALSE(policy.Decide({1, 1999}));
  EXPECT_TRUE(policy.Decide({1, 2000}));
}

}  // namespace
}  // namespace videodiffcr
