#include "model/kernels/ragged_attention.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "model/kernels/device_math.cuh"
#include "model/kernels/hopper_attention.cuh"
#include "model/kernels/launch.cuh"

namespace videodiffcr::kernels {
namespace {

constexpr int kMergeRows = 8;  // of one block

// A warp per query row of a cut tile: weights of the parts from their log sums, then the weighted sum, four values of
// the head a lane. Grid: (cut tiles, pieces of kMergeRows rows).
__global__ void __launch_bounds__(32 * kMergeRows)
    MergeParts(const int32_t* tiles, const int32_t* extra_rows, int heads, int head_dim, __nv_bfloat16* out,
               const float* log_sums) {
  WaitForKernelBefore();
  const int32_t* tile = tiles + 5 * blockIdx.x;
  const int head = tile[0], row = static_cast<int>(blockIdx.y * kMergeRows + threadIdx.y), extras = tile[4];
  if (row >= tile[2]) return;
  const int64_t own = tile[1] + row;
  const auto row_of = [&](int part) { return part == 0 ? own : int64_t{extra_rows[tile[3] + part - 1]} + row; };
  float largest = -INFINITY;
  for (int part = 0; part <= extras; ++part) largest = fmaxf(largest, log_sums[row_of(part) * heads + head]);
  float total = 0;
  for (int part = 0; part <= extras; ++part) total += exp2f(log_sums[row_of(part) * heads + head] - largest);
  for (int i = 4 * static_cast<int>(threadIdx.x); i < head_dim; i += 4 * 32) {
    float4 sum = {};
    for (int part = 0; part <= extras; ++part) {
      const int64_t at = row_of(part) * heads + head;
      sum = sum + Load4(out + at * head_dim + i) * exp2f(log_sums[at] - largest);
    }
    Store4(out + (own * heads + head) * head_dim + i, {sum.x / total, sum.y / total, sum.z / total, sum.w / total});
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
  const int pieces = (query_tile + kMergeRows - 1) / kMergeRows;
  LaunchEarly(MergeParts, dim3(plan.cut_tiles, pieces), dim3(32, kMergeRows), 0, stream, tiles,
              tiles + 5 * plan.cut_tiles, call.heads, call.head_dim, static_cast<__nv_bfloat16*>(call.out),
              call.log_sums);
}

}  // namespace videodiffcr::kernels
