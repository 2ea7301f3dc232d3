#include "server/rpc/session_registry.h"

#include <gtest/gtest.h>

#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

std::string ReasonOf(const absl::StatusOr<SessionRegistry::Slot>& slot) { return ErrorReason(slot.status()); }

TEST(SessionRegistryTest, APlaceIsTakenUntilItsSlotIsReleasedOrGone) {
  SessionRegistry registry(1);
  {
    absl::StatusOr<SessionRegistry::Slot> slot = registry.Enter("a");
    ASSERT_TRUE(slot.ok());
    EXPECT_EQ(ReasonOf(registry.Enter("a")), "TOO_MANY_SESSIONS_ON_CONNECTION");
    EXPECT_TRUE(registry.Enter("b").ok());
  }
  absl::StatusOr<SessionRegistry::Slot> again = registry.Enter("a");
  ASSERT_TRUE(again.ok());
  again->Release();
  again->Release();  // once only
  EXPECT_TRUE(registry.Enter("a").ok());
}

}  // namespace
}  // namespace videodiffcr
