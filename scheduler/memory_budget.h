// How many sessions a memory budget holds. Each session holds its worst case from admission to its end, so the sum is
// exact and nothing can run out later.
#ifndef VIDEODIFFCR_SCHEDULER_MEMORY_BUDGET_H_
#define VIDEODIFFCR_SCHEDULER_MEMORY_BUDGET_H_

#include <cstdint>

namespace videodiffcr {

// `session_bytes` at least 1. Division, not multiplication: no product of two 64-bit numbers that could overflow.
constexpr int64_t SessionsThatFit(int64_t budget_bytes, int64_t session_bytes) {
  return budget_bytes <= 0 ? 0 : budget_bytes / session_bytes;
}

// What sessions may take together: a model that holds `session_capacity` slots of its own is its own limit, any other
// lives in the host's memory.
constexpr int64_t BudgetOfModel(int64_t host_budget_bytes, int64_t session_bytes, int session_capacity) {
  return session_capacity > 0 ? session_capacity * session_bytes : host_budget_bytes;
}

constexpr bool FitsOneMore(int64_t budget_bytes, int64_t reserved_bytes, int64_t session_bytes) {
  return reserved_bytes <= budget_bytes && budget_bytes - reserved_bytes >= session_bytes;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_MEMORY_BUDGET_H_
