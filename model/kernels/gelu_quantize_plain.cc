#include <algorithm>
#include <cmath>

#include "model/kernels/gelu_quantize.h"

namespace videodiffcr::kernels {

void PlainGeluQuantize(const GeluQuantizeCall& call) {
  const float* in = static_cast<const float*>(call.in);
  float* out = static_cast<float*>(call.out);
  for (int64_t i = 0; i < int64_t{call.rows} * call.width; ++i) {
    const float x = in[i];
    out[i] = 0.5f * x * (1.0f + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
  }
  std::fill_n(call.out_scale, call.rows, 1.0f);
}

}  // namespace videodiffcr::kernels
