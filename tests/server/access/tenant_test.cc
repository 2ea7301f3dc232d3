#include "server/access/tenant.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

TenantLimits Limits(std::optional<int64_t> sessions, std::optional<int64_t> waiting, std::optional<int64_t> chunks) {
  TenantLimits limits;
  limits.max_sessions = sessions;
  limits.max_waiting_sessions = waiting;
  limits.chunks_per_minute = chunks;
  return limits;
}

TEST(TenantTest, WithoutLimitsNothingIsRefused) {
  Tenant tenant("acme", {});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(tenant.EnterSession().has_value());
    EXPECT_FALSE(tenant.EnterQueue().has_value());
    EXPECT_FALSE(tenant.LookForChunk(absl::UnixEpoch()).has_value());
    EXPECT_EQ(tenant.TakeChunk(absl::UnixEpoch()), absl::ZeroDuration());
  }
}

TEST(TenantTest, APlaceThatIsGivenBackIsThereForTheNext) {
  const auto tenant = std::make_shared<Tenant>("acme", Limits(1, 1, {}));
  ASSERT_FALSE(tenant->EnterSession().has_value());
  TenantPlace place(tenant);
  EXPECT_STREQ(tenant->EnterSession()->limit, "max_sessions");
  place.Release();
  EXPECT_FALSE(tenant->EnterSession().has_value());
  ASSERT_FALSE(tenant->EnterQueue().has_value());
  EXPECT_STREQ(tenant->EnterQueue()->limit, "max_waiting_sessions");
  tenant->LeaveQueue();
  EXPECT_FALSE(tenant->EnterQueue().has_value());
}

TEST(TenantTest, ChunksOfAMinuteComeBackAsTimePasses) {
  Tenant tenant("acme", Limits({}, {}, 60));
  absl::Time now = absl::UnixEpoch();
  for (int i = 0; i < 59; ++i) EXPECT_EQ(tenant.TakeChunk(now), absl::ZeroDuration()) << i;
  EXPECT_FALSE(tenant.LookForChunk(now).has_value());
  EXPECT_FALSE(tenant.LookForChunk(now).has_value()) << "a look takes nothing";
  EXPECT_EQ(tenant.TakeChunk(now), absl::Seconds(1));
  const std::optional<QuotaRefusal> refusal = tenant.LookForChunk(now);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_STREQ(refusal->limit, "chunks_per_minute");
  EXPECT_EQ(refusal->retry_after, absl::Seconds(1));
  now += absl::Seconds(2);
  EXPECT_EQ(tenant.TakeChunk(now), absl::ZeroDuration());
}

TEST(TenantTest, WhatWasMadeTooEarlyIsMadeGoodByWaiting) {
  Tenant tenant("acme", Limits({}, {}, 1));
  const absl::Time now = absl::UnixEpoch();
  EXPECT_EQ(tenant.TakeChunk(now), absl::Minutes(1));
  EXPECT_EQ(tenant.TakeChunk(now), absl::Minutes(2)) << "of a session that had begun it when the first was counted";
  EXPECT_EQ(tenant.TakeChunk(now + absl::Minutes(2)), absl::Minutes(1));
}

TEST(TenantTest, ALimitOfNoChunksIsKept) {
  Tenant tenant("acme", Limits({}, {}, 0));
  EXPECT_TRUE(tenant.LookForChunk(absl::UnixEpoch()).has_value());
  EXPECT_EQ(tenant.TakeChunk(absl::UnixEpoch() + absl::Hours(1)), absl::InfiniteDuration());
}

TEST(TenantTest, NewLimitsHoldAtOnce) {
  Tenant tenant("acme", Limits(2, {}, {}));
  ASSERT_FALSE(tenant.EnterSession().has_value());
  tenant.SetLimits(Limits(1, {}, {}));
  EXPECT_TRUE(tenant.EnterSession().has_value());
}

}  // namespace
}  // namespace videodiffcr
