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
    EXPECT_FALSE(tenant.TakeChunk(absl::UnixEpoch()).has_value());
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
  for (int i = 0; i < 60; ++i) EXPECT_FALSE(tenant.TakeChunk(now).has_value()) << i;
  const std::optional<QuotaRefusal> refusal = tenant.TakeChunk(now);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_STREQ(refusal->limit, "chunks_per_minute");
  EXPECT_EQ(refusal->retry_after, absl::Seconds(1));
  now += absl::Seconds(2);
  EXPECT_FALSE(tenant.TakeChunk(now, /*only_look=*/true).has_value()) << "a look takes nothing";
  EXPECT_FALSE(tenant.TakeChunk(now).has_value());
  EXPECT_FALSE(tenant.TakeChunk(now).has_value());
  EXPECT_TRUE(tenant.TakeChunk(now).has_value());
}

TEST(TenantTest, ALimitOfNoChunksIsKept) {
  Tenant tenant("acme", Limits({}, {}, 0));
  EXPECT_TRUE(tenant.TakeChunk(absl::UnixEpoch()).has_value());
  EXPECT_TRUE(tenant.TakeChunk(absl::UnixEpoch() + absl::Hours(1)).has_value());
}

TEST(TenantTest, NewLimitsHoldAtOnce) {
  Tenant tenant("acme", Limits(2, {}, {}));
  ASSERT_FALSE(tenant.EnterSession().has_value());
  tenant.SetLimits(Limits(1, {}, {}));
  EXPECT_TRUE(tenant.EnterSession().has_value());
}

}  // namespace
}  // namespace videodiffcr
