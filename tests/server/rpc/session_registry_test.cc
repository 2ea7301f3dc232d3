#include "server/rpc/session_registry.h"

#include <gtest/gtest.h>

#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

std::string ReasonOf(const absl::StatusOr<SessionRegistry::Slot>& slot) { return ErrorReason(slot.status()); }

TEST(SessionRegistryTest, APlaceIsTakenUntilItsSlotIsReleasedOrGone) {
  SessionRegistry registry(1);
  {
    absl::StatusOr<SessionRegistry::Slot> slot = registry.Enter("a", "order");
    ASSERT_TRUE(slot.ok());
    EXPECT_EQ(ReasonOf(registry.Enter("a", "")), "TOO_MANY_SESSIONS_ON_CONNECTION");
    EXPECT_EQ(ReasonOf(registry.Enter("b", "order")), "REQUEST_ID_IN_USE");
    EXPECT_TRUE(registry.Enter("b", "").ok());
  }
  absl::StatusOr<SessionRegistry::Slot> again = registry.Enter("a", "order");
  ASSERT_TRUE(again.ok());
  again->Release();
  again->Release();  // once only
  EXPECT_TRUE(registry.Enter("a", "order").ok());
}

TEST(SessionRegistryTest, ARefusedSessionLeavesNothingBehind) {
  SessionRegistry registry(1);
  absl::StatusOr<SessionRegistry::Slot> slot = registry.Enter("a", "first");
  ASSERT_TRUE(slot.ok());
  EXPECT_FALSE(registry.Enter("a", "second").ok());
  EXPECT_TRUE(registry.Enter("b", "second").ok());
}

}  // namespace
}  // namespace videodiffcr
