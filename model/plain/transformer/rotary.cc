#include "model/plain/transformer/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>

#include <cmath>

namespace videodiffcr {

namespace {

// Angles position * 10000^(-i / pairs), i = 0 .. pairs-1: [positions, pairs] in float64.
at::Tensor AxisAngles(int64_t first, int64_t positions, int64_t pairs, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kDouble).device(device);
  const at::Tensor position = at::arange(first, first + positions, options);
  if (pairs == 0) return position.unsqueeze(1).slice(1, 0, 0);
  const at::Tensor exponent = at::arange(pairs, options) / static_cast<double>(pairs);
  return position.unsqueeze(1) * (exponent * -std::log(10000.0)).exp();
}

}  // namespace

RotaryTable MakeRotaryTable(const TransformerConfig& config, int64_t first_frame, int64_t frames, at::ScalarType dtype,
                            at::Device device) {
  const auto [frame_pairs, row_pairs, column_pairs] = RotaryPairs(config.head_dim());
  const int64_t rows = config.patch_rows();
  const int64_t columns = config.patch_columns();
  const at::Tensor by_frame = AxisAngles(first_frame, frames, frame_pairs, device).view({frames, 1, 1, frame_pairs});
  const at::Tensor by_row = AxisAngles(0, rows, row_pairs, device).view({1, rows, 1, row_pairs});
  const at::Tensor by_column = AxisAngles(0, columns, column_pairs, device).view({1, 1, columns, column_pairs});
  const at::Tensor angles =
      at::cat({by_frame.expand({frames, rows, columns, frame_pairs}), by_row.expand({frames, rows, columns, row_pairs}),
               by_column.expand({frames, rows, columns, column_pairs})},
              -1)
          .view({1, frames * rows * columns, 1, config.head_dim() / 2});
  return {angles.cos().to(dtype), angles.sin().to(dtype)};
}

RotaryTable GatherRotary(const RotaryTable& table, const at::Tensor& kept) {
  const auto gather = [&](const at::Tensor& shared) {  // [1, L, 1, d/2] -> [B, k, 1, d/2]
    return shared.select(0, 0).index_select(0, kept.flatten()).view({kept.size(0), kept.size(1), 1, shared.size(-1)});
  };
  return {gather(table.cos), gather(table.sin)};
}

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table) {
  // A pair (a, b) turned by an angle is the complex product (a + ib)(cos + i sin).
  const at::Tensor pairs = x.to(table.cos.scalar_type()).contiguous().unflatten(-1, {x.size(-1) / 2, 2});
  const at::Tensor turned = at::view_as_complex(pairs) * at::complex(table.cos, table.sin);  // [B, L, N, d/2]
  return at::view_as_real(turned).flatten(-2).to(x.scalar_type());
}

}  // namespace videodiffcr
