#include "tests/fakes/failing_allocation.h"

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace {

thread_local int64_t before_failure = 0;  // so many allocations, the failing one included; 0: none fails

}  // namespace

// Where only one of a pair is inlined, GCC 12 takes them for strangers.
[[gnu::noinline]] void* operator new(size_t bytes) {
  if (before_failure > 0 && --before_failure == 0) throw std::bad_alloc();
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace videodiffcr {

bool WithFailingAllocation(int64_t number, const std::function<void()>& work) {
  before_failure = number;
  try {
    work();
  } catch (const std::bad_alloc&) {
  }
  return std::exchange(before_failure, 0) == 0;
}

int64_t WithEveryAllocationFailing(const std::function<void()>& work, const std::function<void()>& after) {
  for (int64_t number = 1;; ++number) {
    const bool failed = WithFailingAllocation(number, work);
    after();
    if (!failed) return number - 1;
  }
}

SparedAllocations::SparedAllocations() : before_failure_(std::exchange(before_failure, 0)) {}
SparedAllocations::~SparedAllocations() { before_failure = before_failure_; }

}  // namespace videodiffcr
