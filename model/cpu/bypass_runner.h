// The light bypass of tokens that a routed block does not keep (videodiffcr.md section 9, 6).
#ifndef VIDEODIFFCR_MODEL_CPU_BYPASS_RUNNER_H_
#define VIDEODIFFCR_MODEL_CPU_BYPASS_RUNNER_H_

#include <cstdint>
#include <vector>

#include "model/cpu/float_buffer.h"
#include "model/cpu/row_groups.h"
#include "model/cpu/weights.h"

namespace videodiffcr::cpu {

class BypassRunner {
 public:
  explicit BypassRunner(int64_t dim) : dim_(dim) {}

  // To rows [begin, end) of `stream` [chunk tokens, D] that are not among the `kept`: the update of `normed`, which is
  // the stream as routers see it, from before the block.
  void Add(const PackedBypass& bypass, const float* normed, RowRange rows, const std::vector<int32_t>& kept,
           float* stream);

 private:
  const int64_t dim_;
  FloatBuffer hidden_, update_;  // [rows of a group, rank], [rows of a group, D]
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_BYPASS_RUNNER_H_
