#include <algorithm>
#include <cmath>
#include <vector>

#include "model/kernels/norm_rotary.h"

namespace videodiffcr::kernels {
namespace {

std::vector<float> NormRow(const NormRotaryCall& call, const float* in, const float* weight) {
  double squares = 0;
  for (int i = 0; i < call.width; ++i) squares += static_cast<double>(in[i]) * in[i];
  const double inverse = 1.0 / std::sqrt(squares / call.width + call.eps);
  std::vector<float> out(call.width);
  for (int i = 0; i < call.width; ++i) out[i] = static_cast<float>(in[i] * inverse) * weight[i];
  return out;
}

// Turns each pair of values by its token's angle, head by head.
void TurnRow(const NormRotaryCall& call, int row, int segment, std::vector<float>& values) {
  if (call.cos[segment] == nullptr) return;
  const int64_t table = int64_t{call.rows.token(row, segment)} * (call.head_dim / 2);
  for (int i = 0; i < call.width; i += 2) {
    const float cos = call.cos[segment][table + i % call.head_dim / 2];
    const float sin = call.sin[segment][table + i % call.head_dim / 2];
    const float a = values[i], b = values[i + 1];
    values[i] = a * cos - b * sin;
    values[i + 1] = a * sin + b * cos;
  }
}

}  // namespace

void PlainNormRotary(const NormRotaryCall& call) {
  const auto input = [&](const void* rows, int row) { return static_cast<const float*>(rows) + row * call.in_stride; };
  const auto output = [&](void* rows, int64_t to) { return static_cast<float*>(rows) + to * call.width; };
  for (int row = 0; row < call.rows.rows(); ++row) {
    const int segment = call.rows.segment_of(row), index = row - call.rows.first_row[segment];
    if (call.query_in != nullptr) {
      std::vector<float> query = NormRow(call, input(call.query_in, row), call.query_weight);
      TurnRow(call, row, segment, query);
      std::copy(query.begin(), query.end(), output(call.query_out, row));
    }
    if (call.key_in != nullptr) {
      std::vector<float> key = NormRow(call, input(call.key_in, row), call.key_weight);
      if (call.plain_keys != nullptr) {
        std::copy(key.begin(), key.end(), output(call.plain_keys, call.plain_key_row[segment] + index));
      }
      TurnRow(call, row, segment, key);
      std::copy(key.begin(), key.end(), output(call.keys, call.key_row[segment] + index));
    }
    if (call.value_in != nullptr) {
      std::copy_n(input(call.value_in, row), call.width, output(call.values, call.key_row[segment] + index));
    }
  }
}

}  // namespace videodiffcr::kernels
