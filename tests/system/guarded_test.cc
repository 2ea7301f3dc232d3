#include "system/guarded.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "absl/status/statusor.h"

namespace videodiffcr {
namespace {

TEST(GuardedTest, WhatIsReturnedStays) {
  EXPECT_EQ(*Guarded("work", []() -> absl::StatusOr<int> { return 7; }), 7);
  EXPECT_EQ(Guarded("work", [] { return absl::AbortedError("no"); }), absl::AbortedError("no"));
}

TEST(GuardedTest, LostMemoryIsNoInternalErrorAndSaysNothingOfTheAllocator) {
  EXPECT_EQ(Guarded("encoding", []() -> absl::Status { throw std::bad_alloc(); }),
            absl::ResourceExhaustedError("encoding: no memory"));
}

TEST(GuardedTest, AnyOtherExceptionIsInternalWithItsWords) {
  EXPECT_EQ(Guarded("encoding", []() -> absl::StatusOr<int> { throw std::runtime_error("broke"); }).status(),
            absl::InternalError("encoding: broke"));
}

}  // namespace
}  // namespace videodiffcr
