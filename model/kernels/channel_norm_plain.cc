#include <algorithm>
#include <cmath>

#include "model/kernels/channel_norm.h"

namespace videodiffcr::kernels {

void PlainChannelNorm(const ChannelNormCall& call) {
  const auto* input = static_cast<const float*>(call.input);
  auto* output = static_cast<float*>(call.output);
  for (int64_t position = 0; position < call.positions; ++position) {
    const float* x = input + position * call.channels;
    double squares = 0;
    for (int channel = 0; channel < call.channels; ++channel) squares += double{x[channel]} * x[channel];
    const double scale = std::sqrt(static_cast<double>(call.channels)) / std::max(std::sqrt(squares), 1e-12);
    for (int channel = 0; channel < call.channels; ++channel) {
      const double y = x[channel] * scale * call.gain[channel];
      output[position * call.channels + channel] = static_cast<float>(call.silu ? y / (1 + std::exp(-y)) : y);
    }
  }
}

}  // namespace videodiffcr::kernels
