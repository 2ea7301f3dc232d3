// All memory that a pass works in, each buffer named once: the list that takes it is the list that counts it.
#ifndef VIDEODIFFCR_MODEL_GPU_ACTIVATIONS_H_
#define VIDEODIFFCR_MODEL_GPU_ACTIVATIONS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/config/model_config.h"
#include "model/gpu/precision.h"
#include "model/kernels/element.h"

namespace videodiffcr::gpu {

// Values of one patch of latents.
int64_t PatchValues(const TransformerConfig& config);

struct ActivationSizes {
  int64_t rows = 0;        // of a pass at most
  int64_t extra_rows = 0;  // behind them, where attention leaves what it merges later
  int64_t dim = 0, ffn_dim = 0, heads = 0, patch_values = 0, flow_values = 0;
  Precision precision = Precision::kBfloat16;
  kernels::Element key_element = kernels::Element::kBfloat16;  // of cached keys, and of the queries that meet them
};

ActivationSizes ActivationSizesOf(const TransformerConfig& config, Precision precision, kernels::Element key_element,
                                  int most_sessions);

// Rows of all sessions of a pass lie one after the other. D: dim, F: ffn_dim; "type": ActivationType(precision).
struct Activations {
  // Takes the memory on the current device.
  explicit Activations(const ActivationSizes& sizes);
  // What that is, together.
  static int64_t Bytes(const ActivationSizes& sizes);

  at::Tensor normed;                // [rows, D] type
  at::Tensor normed8, row_scale;    // [rows, D] e4m3, [rows, 1] fp32; of fp8 alone
  at::Tensor qkv;                   // [rows, 3 D] type
  at::Tensor queries;               // [rows, D] of the cached keys' type
  at::Tensor text_queries;          // [rows, D] type
  at::Tensor attended, log_sums;    // [rows + extra, D] type, [rows + extra, heads] fp32
  at::Tensor projected;             // [rows, D] type
  at::Tensor hidden;                // [rows, F] type, e4m3 in fp8
  at::Tensor hidden_scale;          // [rows, 1] fp32: hidden * hidden_scale is the value; of fp8 alone
  at::Tensor hidden_shrink;         // [rows] its inverse
  at::Tensor patches, head_normed;  // [rows, patch values] fp32, [rows, D] fp32
  at::Tensor flow;                  // [rows, flow values] fp32
  at::Tensor stream;                // [rows, D] fp32: the residual stream

 private:
  Activations() = default;
  template <typename Visit>
  void ForEach(const ActivationSizes& sizes, const Visit& visit);
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_ACTIVATIONS_H_
