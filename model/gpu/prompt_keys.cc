#include "model/gpu/prompt_keys.h"

#include <ATen/ops/zeros.h>

#include <cmath>

#include "model/gpu/current_device.h"
#include "model/kernels/norm_rotary.h"

namespace videodiffcr::gpu {

void EncodePromptKeys(const TransformerConfig& config, const GpuTransformerWeights& weights, Precision precision,
                      const at::Tensor& hidden, int slot, SessionPool& pool) {
  const at::ScalarType type = ActivationType(precision);
  const int64_t padding = config.text_len - hidden.size(0);
  // One row of zeros stands for all padding rows: they become the same keys and values.
  const int64_t rows = hidden.size(0) + (padding > 0 ? 1 : 0);
  at::Tensor input = at::zeros({rows, config.text_dim}, hidden.options().dtype(type));
  input.narrow(0, 0, hidden.size(0)).copy_(hidden);
  at::Tensor middle = EmptyOnGpu({rows, config.dim}, type), context = EmptyOnGpu({rows, config.dim}, type);
  ApplyGelu(weights.text_in, input, middle);
  Apply(weights.text_out, middle, {}, context);
  pool.text_bias()[slot].fill_(padding > 0 ? std::log(static_cast<double>(padding)) : 0.0);
  pool.state(slot).text_rows = static_cast<int>(rows);
  at::Tensor product = EmptyOnGpu({rows, 2 * config.dim}, type);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    Apply(weights.blocks[layer].cross_kv, context, {}, product);
    kernels::NormRotaryCall call;
    call.rows = kernels::EvenRows(1, static_cast<int>(rows), 0);
    call.width = static_cast<int>(config.dim);
    call.head_dim = static_cast<int>(config.head_dim());
    call.eps = static_cast<float>(config.eps);
    call.in_element = call.out_element = ActivationElement(precision);
    call.in_stride = 2 * config.dim;
    call.key_in = product.const_data_ptr();
    call.value_in = product.narrow(1, config.dim, config.dim).const_data_ptr();
    call.key_weight = weights.blocks[layer].cross_norm_k.const_data_ptr<float>();
    call.keys = pool.text_keys(layer).mutable_data_ptr();
    call.values = pool.text_values(layer).mutable_data_ptr();
    call.key_row[0] = slot * config.text_len;
    kernels::NormRotary(call, CurrentStream());
  }
}

}  // namespace videodiffcr::gpu
