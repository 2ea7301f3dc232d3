// Keys and values of a prompt for the text attention of every block: made once, read by all passes until the prompt
// changes (causal_wan_dit.md section 11).
#ifndef VIDEODIFFCR_MODEL_GPU_PROMPT_KEYS_H_
#define VIDEODIFFCR_MODEL_GPU_PROMPT_KEYS_H_

#include <ATen/core/Tensor.h>

#include "model/config/model_config.h"
#include "model/gpu/precision.h"
#include "model/gpu/session_pool.h"
#include "model/gpu/weights.h"

namespace videodiffcr::gpu {

// Into the slot's text rows: hidden [rows, text_dim], rows <= text_len. Queues work on the current stream.
void EncodePromptKeys(const TransformerConfig& config, const GpuTransformerWeights& weights, Precision precision,
                      const at::Tensor& hidden, int slot, SessionPool& pool);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_PROMPT_KEYS_H_
