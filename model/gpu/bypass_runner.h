// The light bypass of tokens that a routed block does not keep (videodiffcr.md section 9, 6), in two halves: what it
// sees is the norm that routers see, and its update must not reach the stream before the block's keys have been made of
// it.
#ifndef VIDEODIFFCR_MODEL_GPU_BYPASS_RUNNER_H_
#define VIDEODIFFCR_MODEL_GPU_BYPASS_RUNNER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/gpu/weights.h"

namespace videodiffcr::gpu {

class BypassRunner {
 public:
  // Takes the memory for the tokens of `most_sessions`; none at rank 0.
  BypassRunner(int64_t tokens, int64_t rank, int most_sessions);

  // Both queue work on the current stream. `normed` [tokens, D] of the activations' type is LN(x) of a session's
  // residual stream, without scale and shift; `session`: its number in the pass.
  void See(const GpuBypass& bypass, int session, const at::Tensor& normed);
  // Adds to `stream` [tokens, D] fp32 what was seen, where `places` [tokens] int32 is negative.
  void Add(const GpuBypass& bypass, int session, const at::Tensor& places, const at::Tensor& stream) const;

 private:
  at::Tensor hidden_;  // [sessions, tokens, rank] fp32
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_BYPASS_RUNNER_H_
