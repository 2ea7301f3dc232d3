// Weights and inputs made from their names by integer arithmetic: a case needs no weights in its file, and tests get
// small networks (golden_checks.md section 1).
#ifndef VIDEODIFFCR_PARITY_FILL_RULE_H_
#define VIDEODIFFCR_PARITY_FILL_RULE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/weights/weight_table.h"

namespace videodiffcr {

// 32-bit FNV-1a over the bytes of `name`.
uint32_t Fnv1a(std::string_view name);

// Element `i` of the tensor called `name`, in [-1, 1).
double FillValue(uint32_t name_hash, int64_t i);

// fp32 tensor of offset + scale FillValue().
at::Tensor FillTensor(std::string_view name, const std::vector<int64_t>& shape, double offset, double scale);

// The inputs that the page calls noise(name), of variance 1, and r(name), in [-1, 1).
at::Tensor FillNoise(std::string_view name, const std::vector<int64_t>& shape);
at::Tensor FillUniform(std::string_view name, const std::vector<int64_t>& shape);

// A weight by its state-dict name: offset and scale follow from name and shape.
at::Tensor FillWeight(const std::string& name, const std::vector<int64_t>& shape);

// Gives every row's tensor the values of its name and shape, in fp32 on the CPU.
void FillByRule(const std::vector<WeightRow>& rows);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PARITY_FILL_RULE_H_
