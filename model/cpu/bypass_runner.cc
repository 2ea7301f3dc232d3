#include "model/cpu/bypass_runner.h"

#include <algorithm>

#include "model/cpu/row_kernels.h"

namespace videodiffcr::cpu {

void BypassRunner::Add(const PackedBypass& bypass, const float* normed, RowRange rows, const std::vector<int32_t>& kept,
                       float* stream) {
  const int64_t count = rows.rows();
  hidden_.resize(count * bypass.down.out);
  update_.resize(count * dim_);
  Apply(bypass.down, normed + rows.begin * dim_, count, hidden_.data());
  Silu(count * bypass.down.out, hidden_.data());
  Apply(bypass.up, hidden_.data(), count, update_.data());
  auto next_kept = std::lower_bound(kept.begin(), kept.end(), static_cast<int32_t>(rows.begin));
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (next_kept != kept.end() && *next_kept == row) {
      ++next_kept;
      continue;
    }
    float* x = stream + row * dim_;
    const float* update = update_.data() + (row - rows.begin) * dim_;
    for (int64_t c = 0; c < dim_; ++c) x[c] += update[c];
  }
}

}  // namespace videodiffcr::cpu
