// The light bypass's second half (videodiffcr.md section 9, 6): what a routed block adds to the residual stream of the
// tokens that it does not keep. x[token] += up SiLU(hidden[token]) where place[token] is negative, all in fp32.
#ifndef VIDEODIFFCR_MODEL_KERNELS_LIGHT_BYPASS_H_
#define VIDEODIFFCR_MODEL_KERNELS_LIGHT_BYPASS_H_

#include <cstdint>

#include "model/config/retention_table.h"
#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct LightBypassCall {
  int tokens = 0;
  int width = 0;                   // D
  int rank = 0;                    // 1 to kMostBypassRank
  const float* hidden = nullptr;   // [tokens, rank]: down LN(x)
  const float* up = nullptr;       // [rank, D]
  const int32_t* place = nullptr;  // [tokens]: negative for tokens that the block does not keep
  float* stream = nullptr;         // [tokens, D]
};

void LightBypass(const LightBypassCall& call, Stream stream);

// The same call on host memory.
void PlainLightBypass(const LightBypassCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_LIGHT_BYPASS_H_
