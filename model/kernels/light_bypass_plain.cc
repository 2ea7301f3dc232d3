#include <cmath>

#include "model/kernels/light_bypass.h"

namespace videodiffcr::kernels {

void PlainLightBypass(const LightBypassCall& call) {
  for (int64_t token = 0; token < call.tokens; ++token) {
    if (call.place[token] >= 0) continue;
    for (int64_t column = 0; column < call.width; ++column) {
      double update = 0;
      for (int64_t r = 0; r < call.rank; ++r) {
        const double z = call.hidden[token * call.rank + r];
        update += z / (1 + std::exp(-z)) * call.up[r * call.width + column];
      }
      call.stream[token * call.width + column] += static_cast<float>(update);
    }
  }
}

}  // namespace videodiffcr::kernels
