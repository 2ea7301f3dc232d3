// softmax(Q K^T / sqrt(d)) V for several sessions in one launch, each with its own rows and keys, on Hopper's tensor
// cores (FlashInfer's templates; why: docs/architecture.md). No mask: order of keys does not matter.
//
// Promise: within 2e-2 relative (bfloat16) or 8e-2 (8-bit floats) of the fp32 result on standard normal inputs; the
// same bits for the same plan, so a session alone and the same session among others may differ in the last bits.
#ifndef VIDEODIFFCR_MODEL_KERNELS_RAGGED_ATTENTION_H_
#define VIDEODIFFCR_MODEL_KERNELS_RAGGED_ATTENTION_H_

#include <cstdint>

#include "model/kernels/attention_plan.h"
#include "model/kernels/element.h"

namespace videodiffcr::kernels {

// An AttentionPlan on the device, as one run of 32-bit integers (AttentionPlanWords).
struct DeviceAttentionPlan {
  const int32_t* words = nullptr;
  int items = 0;
  int processors = 0;
  int cut_tiles = 0;
  int extra_parts = 0;
};

// The plan in the order the kernels read it; copy it to the device as it is.
std::vector<int32_t> AttentionPlanWords(const AttentionPlan& plan);

struct AttentionCall {
  Element element = Element::kBfloat16;  // of queries, keys and values; results are bfloat16
  int heads = 0;
  int head_dim = 0;
  const void* queries = nullptr;  // [query_rows, heads, head_dim]
  const void* keys = nullptr;     // [key_rows, heads, head_dim]; rows past a session's end must hold finite numbers
  const void* values = nullptr;   // as keys
  void* out = nullptr;            // [query_rows + extra rows of the plan, heads, head_dim]
  float* log_sums = nullptr;      // [the same rows, heads]: log2 of the softmax sums
  int64_t query_rows = 0;
  int64_t key_rows = 0;  // rows of the whole buffer
  // Text attention: ln(count) added to the logit of the last key, which stands for `count` equal ones
  // (causal_wan_dit.md section 11). By key_row / keys_per_bias; null: none.
  const float* last_key_bias = nullptr;
  int keys_per_bias = 1;
};

// Tile sizes of the kernel for this element and head_dim; query_tile 0: there is none.
AttentionShape AttentionTiles(Element element, int head_dim);

// Returns false, and does nothing, when there is no kernel for the call's element and head_dim.
bool RunRaggedAttention(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);

// Adds up the parts of cut tiles in place; needs RunRaggedAttention's buffers. Nothing to do without cut tiles.
void MergeAttentionParts(const AttentionCall& call, const DeviceAttentionPlan& plan, int query_tile, Stream stream);

// The same result on host memory, in plain fp32 loops: queries, keys, values and out are kFloat32, session by session,
// without a plan's extra rows; log_sums may be null.
void PlainRaggedAttention(const AttentionCall& call, const std::vector<AttentionSegment>& segments);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_RAGGED_ATTENTION_H_
