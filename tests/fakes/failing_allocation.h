// Allocations of the calling thread that fail, one at a time. A program that links this has an `operator new` of its
// own.
#ifndef VIDEODIFFCR_TESTS_FAKES_FAILING_ALLOCATION_H_
#define VIDEODIFFCR_TESTS_FAKES_FAILING_ALLOCATION_H_

#include <cstdint>
#include <functional>

namespace videodiffcr {

// Runs `work`, whose `number`-th allocation (from 1 on) fails; whether it made as many. What `work` throws stays here,
// as it would in gRPC.
bool WithFailingAllocation(int64_t number, const std::function<void()>& work);

// `work` again and again, each time with the next allocation failing, until it makes no more than fail; how often one
// did. `after` follows each.
int64_t WithEveryAllocationFailing(const std::function<void()>& work, const std::function<void()>& after);

// While one is there, none of its thread's allocations fails or counts: for what is a test's own.
class SparedAllocations {
 public:
  SparedAllocations();
  ~SparedAllocations();
  SparedAllocations(const SparedAllocations&) = delete;
  SparedAllocations& operator=(const SparedAllocations&) = delete;

 private:
  const int64_t before_failure_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_FAILING_ALLOCATION_H_
