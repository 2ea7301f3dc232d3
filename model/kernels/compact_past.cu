#include "model/kernels/compact_past.h"

#include "model/kernels/device_math.cuh"
#include "model/kernels/launch.cuh"
#include "model/kernels/radix_select.cuh"
#include "model/kernels/window_place.h"

namespace videodiffcr::kernels {
namespace {

// Of MoveKeys: 128 bytes of each row by eight threads, 32 rows side by side, each thread four of them.
constexpr int kMoveUnits = 8, kMoveRows = 32, kMoveAhead = 4;
constexpr int kRowThreads = 128;  // of TurnKeys, one row

__device__ __forceinline__ bool IsOfChunk(const PlaceKeysCall& call, int32_t place) {
  return place >= call.first_place && place < call.first_place + call.tokens;
}

// The rows of frames that leave, in rising order, into `to` of the first moves. Returns how many.
__device__ int ListLeavingRows(const PlaceKeysCall& call, const int32_t* places, int rows, RowMove* moves) {
  int before = 0;
  for (int first = 0; first < rows; first += kSelectThreads) {
    const int row = first + static_cast<int>(threadIdx.x);
    const bool leaves = row < rows && IsOfChunk(call, places[row]);
    int total;
    const int rank = before + SumBefore(leaves, &total);
    if (leaves) moves[rank].to = row;
    before += total;
  }
  __syncthreads();
  return before;
}

// The marked tokens take the rows of the `left` first moves, then those behind the `rows` of the past.
__device__ void PlaceArriving(const PlaceKeysCall& call, const uint8_t* marked, int left, int rows, int32_t* places,
                              RowMove* moves) {
  int before = 0;
  for (int first = 0; first < call.tokens; first += kSelectThreads) {
    const int token = first + static_cast<int>(threadIdx.x);
    const bool keep = token < call.tokens && marked[token];
    int total;
    const int rank = before + SumBefore(keep, &total);
    if (keep) {
      const int to = rank < left ? moves[rank].to : rows + rank - left;
      moves[rank] = {~token, to};
      places[to] = call.first_place + token;
    }
    before += total;
  }
  __syncthreads();
}

// Rows of moves [kept, left) are free now. Those below `rows_after` get the last rows that stay: the lowest the last.
// Returns how many.
__device__ int FillGaps(const PlaceKeysCall& call, int kept, int left, int rows, int32_t* places, RowMove* moves) {
  const int rows_after = rows - (left - kept);
  int gaps = 0;
  for (int first = kept; first < left; first += kSelectThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    int total;
    SumBefore(i < left && moves[i].to < rows_after, &total);
    gaps += total;
  }
  int before = 0;
  for (int first = rows_after; first < rows; first += kSelectThreads) {
    const int row = first + static_cast<int>(threadIdx.x);
    // No arriving row lies here: those took lower rows than the gaps.
    const bool stays = row < rows && !IsOfChunk(call, places[row]);
    int total;
    const int rank = before + SumBefore(stays, &total);
    if (stays) {
      RowMove& move = moves[kept + gaps - 1 - rank];
      move.from = row;
      places[move.to] = places[row];
    }
    before += total;
  }
  return gaps;
}

// One block per layer.
__global__ void __launch_bounds__(kSelectThreads) PlaceKeysKernel(const __grid_constant__ PlaceKeysCall call) {
  extern __shared__ uint8_t marked[];
  WaitForKernelBefore();
  const int layer = blockIdx.x, kept = call.kept[layer], rows = call.past_rows[layer];
  int32_t* places = call.places + call.first_row[layer];
  RowMove* moves = call.moves + int64_t{layer} * call.tokens;
  const int left = ListLeavingRows(call, places, rows, moves);
  for (int token = threadIdx.x; token < call.tokens; token += kSelectThreads) marked[token] = kept == call.tokens;
  __syncthreads();
  if (kept < call.tokens) MarkBest(call.scores + int64_t{layer} * call.tokens, marked, 0, call.tokens, kept);
  PlaceArriving(call, marked, left, rows, places, moves);
  const int gaps = left > kept ? FillGaps(call, kept, left, rows, places, moves) : 0;
  if (threadIdx.x != 0) return;
  call.chunk_row[layer] = rows;
  call.move_count[layer] = kept + gaps;
  call.past_rows[layer] = rows - left + kept;
}

// Grid: (pieces of a row, pools, layers). A block goes through the moves in their order and reads a batch of rows
// before it writes them, so that rows may be packed where they lie.
__global__ void __launch_bounds__(kMoveUnits* kMoveRows) MoveKeysKernel(const __grid_constant__ MoveKeysCall call) {
  WaitForKernelBefore();
  const int64_t layer = blockIdx.z, row_units = call.row_bytes / 16, unit = blockIdx.x * kMoveUnits + threadIdx.x;
  const RowMove* moves = call.moves + layer * call.tokens;
  uint4* rows = static_cast<uint4*>(call.pool[blockIdx.y]) + call.first_row[layer] * row_units + unit;
  const int chunk_row = call.chunk_row[blockIdx.y][layer], count = call.move_count[layer];
  const bool inside = unit < row_units;
  for (int first = 0; first < count; first += kMoveRows * kMoveAhead) {
    uint4 values[kMoveAhead];
    RowMove of[kMoveAhead];
#pragma unroll
    for (int ahead = 0; ahead < kMoveAhead; ++ahead) {
      const int i = first + ahead * kMoveRows + static_cast<int>(threadIdx.y);
      of[ahead] = {0, -1};
      if (i >= count || !inside) continue;
      of[ahead] = moves[i];
      if (of[ahead].from < 0) of[ahead].from = chunk_row + ~of[ahead].from;
      values[ahead] = rows[of[ahead].from * row_units];
    }
    __syncthreads();
#pragma unroll
    for (int ahead = 0; ahead < kMoveAhead; ++ahead) {
      if (of[ahead].to >= 0) rows[of[ahead].to * row_units] = values[ahead];
    }
  }
}

// Grid: (rows, layers).
template <typename T>
__global__ void TurnKeysKernel(const __grid_constant__ TurnKeysCall call) {
  WaitForKernelBefore();
  const int64_t layer = blockIdx.y, row = call.first_row[layer] + blockIdx.x;
  if (static_cast<int>(blockIdx.x) >= call.past_rows[layer]) return;
  const int width = call.heads * call.head_dim;
  const int64_t table = RotaryRow(call, call.places[row]) * (call.head_dim / 2);
  const T* from = static_cast<const T*>(call.plain_keys) + row * width;
  T* to = static_cast<T*>(call.keys) + row * width;
  for (int at = 4 * static_cast<int>(threadIdx.x); at < width; at += 4 * kRowThreads) {
    const float4 v = Load4(from + at);
    const float2 c = *reinterpret_cast<const float2*>(call.cos + table + at % call.head_dim / 2);
    const float2 s = *reinterpret_cast<const float2*>(call.sin + table + at % call.head_dim / 2);
    Store4(to + at, {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y});
  }
}

__device__ __forceinline__ float ToFloat(float value) { return value; }
__device__ __forceinline__ float ToFloat(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float ToFloat(__nv_fp8_e4m3 value) { return static_cast<float>(value); }

// Grid: (tokens over the block's warps, layers); a warp per key.
template <typename T>
__global__ void __launch_bounds__(kRowThreads) KeyNormsKernel(const __grid_constant__ KeyNormsCall call) {
  WaitForKernelBefore();
  const int64_t layer = blockIdx.y;
  const int token = static_cast<int>(blockIdx.x * (kRowThreads / 32) + threadIdx.x / 32), lane = threadIdx.x % 32;
  if (token >= call.tokens) return;
  const int64_t row = call.first_row[layer] + call.chunk_row[layer] + token;
  const T* key = static_cast<const T*>(call.keys) + row * call.width;
  float squares = 0;
  for (int i = lane; i < call.width; i += 32) {
    const float value = ToFloat(key[i]);
    squares += value * value;
  }
  squares = SumOverRow<32>(squares);
  if (lane == 0) call.scores[layer * call.tokens + token] = sqrtf(squares);
}

}  // namespace

void PlaceKeys(const PlaceKeysCall& call, Stream stream) {
  LaunchEarly(PlaceKeysKernel, call.layers, kSelectThreads, call.tokens, stream, call);
}

void MoveKeys(const MoveKeysCall& call, Stream stream) {
  const int pieces = static_cast<int>((call.row_bytes / 16 + kMoveUnits - 1) / kMoveUnits);
  LaunchEarly(MoveKeysKernel, dim3(pieces, call.pools, call.layers), dim3(kMoveUnits, kMoveRows), 0, stream, call);
}

void TurnKeys(const TurnKeysCall& call, Stream stream) {
  if (call.most_rows == 0) return;
  const dim3 grid(call.most_rows, call.layers);
  LaunchEarly(call.element == Element::kFloat32 ? TurnKeysKernel<float> : TurnKeysKernel<__nv_bfloat16>, grid,
              kRowThreads, 0, stream, call);
}

void KeyNorms(const KeyNormsCall& call, Stream stream) {
  const dim3 grid((call.tokens + kRowThreads / 32 - 1) / (kRowThreads / 32), call.layers);
  const auto kernel = call.element == Element::kFloat32    ? KeyNormsKernel<float>
                      : call.element == Element::kBfloat16 ? KeyNormsKernel<__nv_bfloat16>
                                                           : KeyNormsKernel<__nv_fp8_e4m3>;
  LaunchEarly(kernel, grid, kRowThreads, 0, stream, call);
}

}  // namespace videodiffcr::kernels
