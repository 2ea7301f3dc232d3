#include "model/gpu/failure.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace videodiffcr::gpu {
namespace {

const c10::SourceLocation kPlace = {"malloc", "Allocator.cpp", 1};

TEST(GpuFailureTest, MemoryThatTheDeviceIsShortOfComesWithTheAllocatorsFiguresAndNoStack) {
  EXPECT_EQ(FailureOf("a pass", c10::OutOfMemoryError(kPlace, "Tried to allocate 2.00 GiB.")),
            absl::ResourceExhaustedError("no GPU memory for a pass: Tried to allocate 2.00 GiB."));
}

// It was Internal: nothing was asked for again, and the session ended as a defect.
TEST(GpuFailureTest, MemoryThatTheHostIsShortOfIsLackOfMemoryWhoeverSaysSo) {
  const absl::Status wanted = absl::ResourceExhaustedError("no memory for decoding");
  EXPECT_EQ(FailureOf("decoding", std::bad_alloc()), wanted);
  EXPECT_EQ(FailureOf("decoding", c10::Error(kPlace, "DefaultCPUAllocator: can't allocate memory")), wanted);
  EXPECT_EQ(FailureOf("decoding", c10::AcceleratorError(kPlace, 2, "CUDA error: out of memory")), wanted);
}

TEST(GpuFailureTest, AnythingElseIsInternalInItsOwnWords) {
  EXPECT_EQ(FailureOf("a pass", std::runtime_error("CUDA: misaligned address")),
            absl::InternalError("a pass: CUDA: misaligned address"));
  const absl::Status lost =
      FailureOf("a pass", c10::AcceleratorError(kPlace, 700, "CUDA error: an illegal memory access was encountered"));
  EXPECT_EQ(lost.code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace videodiffcr::gpu
