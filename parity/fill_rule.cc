#include "parity/fill_rule.h"

#include <ATen/ops/empty.h>

#include <cmath>

namespace videodiffcr {
namespace {

struct Range {
  double offset, scale;
};

bool EndsWith(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The table of golden_checks.md section 1.
Range RangeOf(const std::string& name, const std::vector<int64_t>& shape) {
  if (EndsWith(name, "gamma") || (shape.size() == 1 && EndsWith(name, ".weight"))) return {1.0, 0.1};
  if (EndsWith(name, ".bias")) return {0.0, 0.1};
  if (EndsWith(name, "modulation")) return {0.0, 0.3};
  if (shape.size() == 2 && name.find("embedding.weight") != std::string::npos) return {0.0, 1.0};
  double fan_in = 1;
  for (size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
  return {0.0, std::sqrt(3.0 / fan_in)};
}

}  // namespace

uint32_t Fnv1a(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (const char byte : name) hash = (hash ^ static_cast<uint8_t>(byte)) * 16777619u;
  return hash;
}

double FillValue(uint32_t name_hash, int64_t i) {
  uint32_t u = static_cast<uint32_t>(i) * 2654435761u + name_hash;
  u = (u ^ (u >> 16)) * 0x85ebca6bu;
  u = (u ^ (u >> 13)) * 0xc2b2ae35u;
  u ^= u >> 16;
  return 2.0 * u / 4294967296.0 - 1.0;
}

at::Tensor FillTensor(std::string_view name, const std::vector<int64_t>& shape, double offset, double scale) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  const uint32_t hash = Fnv1a(name);
  float* const values = tensor.mutable_data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(offset + scale * FillValue(hash, i));
  return tensor;
}

at::Tensor FillNoise(std::string_view name, const std::vector<int64_t>& shape) {
  return FillTensor(name, shape, 0.0, std::sqrt(3.0));
}

at::Tensor FillUniform(std::string_view name, const std::vector<int64_t>& shape) {
  return FillTensor(name, shape, 0.0, 1.0);
}

at::Tensor FillWeight(const std::string& name, const std::vector<int64_t>& shape) {
  const Range range = RangeOf(name, shape);
  return FillTensor(name, shape, range.offset, range.scale);
}

void FillByRule(const std::vector<WeightRow>& rows) {
  for (const WeightRow& row : rows) *row.destination = FillWeight(row.name, row.shape);
}

}  // namespace videodiffcr
