#include "model/kernels/ragged_attention.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "model/kernels/hopper_attention.cuh"

namespace videodiffcr::kernels {
namespace {

// One block per (cut tile, query row): weights of the parts from their log sums, then the weighted sum over head_dim.
__global__ void MergeParts(const int32_t* tiles, const int32_t* extra_rows, int heads, int head_dim, __nv_bfloat16* out,
                           const float* log_sums) {
  const int32_t* tile = tiles + 5 * blockIdx.x;
  const int head = tile[0], row = static_cast<int>(blockIdx.y), extras = tile[4];
  if (row >= tile[2]) return;
  const int64_t own = tile[1] + row;
  const auto row_of = [&](int part) { return part == 0 ? own : int64_t{extra_rows[tile[3] + part - 1]} + row; };
  float largest = -INFINITY;
  for (int part = 0; part <= extras; ++part) largest = fmaxf(largest, log_sums[row_of(part) * heads + head]);
  float total = 0;
  for (int part = 0; part <= extras; ++part) total += exp2f(log_sums[row_of(part) * heads + head] - largest);
  for (int i = threadIdx.x; i < head_dim; i += blockDim.x) {
    float sum = 0;
    for (int part = 0; part <= extras; ++part) {
      const int64_t at = row_of(part) * heads + head;
      sum += exp2f(log_sums[at] - largest) * __bfloat162float(out[at * head_dim + i]);
    }
    out[(own * heads + head) * head_dim + i] = __float2bfloat16(sum / total);
  }
}

}  // namespace

AttentionShape AttentionTiles(Element element, int head_dim) {
  AttentionShape shape;
  shape.query_tile = 0;
  if (head_dim == 128 && (element == Element::kBfloat16 || element == Element::kFloat8)) shape = {0, 128, 192, 0};
  if (head_dim == 64 && element == Element::kBfloat16) shape = {0, 192, 128, 0};
  return shape;
}

bool RunRaggedAttention(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  if (AttentionTiles(call.element, call.head_dim).query_tile == 0) return false;
  const bool text = call.last_key_bias != nullptr;
  if (call.element == Element::kFloat8) {
    if (text) return false;
    RunFloat8Dim128(call, plan, stream);
  } else if (call.head_dim == 128) {
    (text ? RunTextDim128 : RunBfloat16Dim128)(call, plan, stream);
  } else {
    (text ? RunTextDim64 : RunBfloat16Dim64)(call, plan, stream);
  }
  return true;
}

void MergeAttentionParts(const AttentionCall& call, const DeviceAttentionPlan& plan, int query_tile, Stream stream) {
  if (plan.cut_tiles == 0) return;
  const int32_t* tiles = plan.words + plan.processors + 1 + 7 * plan.items;
  MergeParts<<<dim3(plan.cut_tiles, query_tile), call.head_dim, 0, stream>>>(
      tiles, tiles + 5 * plan.cut_tiles, call.heads, call.head_dim, static_cast<__nv_bfloat16*>(call.out),
      call.log_sums);
}

}  // namespace videodiffcr::kernels
