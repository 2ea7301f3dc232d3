// What a piece of work leaves in memory: of a forward pass, what its graph keeps for backward(), and its result.
#ifndef VIDEODIFFCR_TESTS_MODEL_KEPT_BYTES_H_
#define VIDEODIFFCR_TESTS_MODEL_KEPT_BYTES_H_

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace videodiffcr {

class MemoryCount final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override { kept += bytes; }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t kept = 0;
};

// Bytes that `work` took on this thread and has not given back.
inline int64_t KeptBytes(const std::function<void()>& work) {
  const auto count = std::make_shared<MemoryCount>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, count);
  work();
  return count->kept;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_KEPT_BYTES_H_
