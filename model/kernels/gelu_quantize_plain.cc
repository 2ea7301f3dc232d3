#include <cmath>

#include "model/kernels/gelu_quantize.h"

namespace videodiffcr::kernels {

float PlainGelu(float x) { return 0.5f * x * (1.0f + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x))); }

}  // namespace videodiffcr::kernels
