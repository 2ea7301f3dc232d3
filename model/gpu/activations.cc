#include "model/gpu/activations.h"

#include <c10/core/ScalarType.h>

#include <vector>

#include "model/gpu/attention_runner.h"
#include "model/gpu/current_device.h"

namespace videodiffcr::gpu {

int64_t PatchValues(const TransformerConfig& config) {
  return config.patch_height * config.patch_width * config.in_dim;
}

ActivationSizes ActivationSizesOf(const TransformerConfig& config, Precision precision, kernels::Element key_element,
                                  int most_sessions) {
  ActivationSizes sizes;
  sizes.rows = most_sessions * config.tokens_per_chunk();
  sizes.extra_rows = AttentionRunner::kExtraRows;
  sizes.dim = config.dim;
  sizes.ffn_dim = config.ffn_dim;
  sizes.heads = config.num_heads;
  sizes.patch_values = PatchValues(config);
  sizes.flow_values = config.patch_height * config.patch_width * config.out_dim;
  sizes.precision = precision;
  sizes.key_element = key_element;
  return sizes;
}

// `visit` (tensor, shape, type): once per buffer that these sizes have.
template <typename Visit>
void Activations::ForEach(const ActivationSizes& sizes, const Visit& visit) {
  const at::ScalarType type = ActivationType(sizes.precision);
  const int64_t rows = sizes.rows, dim = sizes.dim;
  visit(stream, {rows, dim}, at::kFloat);
  visit(normed, {rows, dim}, type);
  visit(qkv, {rows, 3 * dim}, type);
  visit(text_queries, {rows, dim}, type);
  visit(queries, {rows, dim}, TypeOf(sizes.key_element));
  visit(attended, {rows + sizes.extra_rows, dim}, type);
  visit(log_sums, {rows + sizes.extra_rows, sizes.heads}, at::kFloat);
  visit(projected, {rows, dim}, type);
  visit(hidden, {rows, sizes.ffn_dim}, sizes.precision == Precision::kFloat8 ? at::kFloat8_e4m3fn : type);
  if (sizes.precision == Precision::kFloat8) {
    visit(normed8, {rows, dim}, at::kFloat8_e4m3fn);
    visit(row_scale, {rows, 1}, at::kFloat);
    visit(hidden_scale, {rows, 1}, at::kFloat);
    visit(hidden_shrink, {rows}, at::kFloat);
  }
  visit(patches, {rows, sizes.patch_values}, at::kFloat);
  visit(head_normed, {rows, dim}, at::kFloat);
  visit(flow, {rows, sizes.flow_values}, at::kFloat);
}

Activations::Activations(const ActivationSizes& sizes) {
  ForEach(sizes, [](at::Tensor& tensor, const std::vector<int64_t>& shape, at::ScalarType type) {
    tensor = EmptyOnGpu(shape, type);
  });
}

int64_t Activations::Bytes(const ActivationSizes& sizes) {
  int64_t bytes = 0;
  Activations none;
  none.ForEach(sizes, [&bytes](at::Tensor&, const std::vector<int64_t>& shape, at::ScalarType type) {
    int64_t values = 1;
    for (const int64_t size : shape) values *= size;
    bytes += values * static_cast<int64_t>(c10::elementSize(type));
  });
  return bytes;
}

}  // namespace videodiffcr::gpu
