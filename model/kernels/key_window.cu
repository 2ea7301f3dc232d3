#include "model/kernels/key_window.h"

#include "model/kernels/device_math.cuh"
#include "model/kernels/rotary_angle.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kTurnThreads = 128;  // of one row

__global__ void FillRotary(RotaryShape shape, int64_t first_frame, int64_t values, float* cos, float* sin) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= values) return;
  const int pairs = shape.head_dim / 2, sites = shape.rows * shape.columns;
  const int64_t token = i / pairs;
  double c, s;
  sincos(RotaryAngle(shape, first_frame + token / sites, static_cast<int>(token % sites), static_cast<int>(i % pairs)),
         &s, &c);
  cos[i] = static_cast<float>(c);
  sin[i] = static_cast<float>(s);
}

// grid: (pieces of a frame, frames, layers); bytes in units of 16.
__global__ void MoveFramesKernel(const __grid_constant__ FrameMoves moves, const uint4* from_pool,
                                 int64_t from_layer_units, uint4* to_pool, int64_t to_layer_units, int64_t row_units) {
  const int64_t units = moves.frame_rows * row_units;
  const uint4* from = from_pool + blockIdx.z * from_layer_units + moves.from[blockIdx.y] * row_units;
  uint4* to = to_pool + blockIdx.z * to_layer_units + moves.to[blockIdx.y] * row_units;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < units; i += int64_t{gridDim.x} * kThreads) {
    to[i] = from[i];
  }
}

// grid: (rows of a frame, frames, layers).
template <typename T>
__global__ void TurnFramesKernel(const __grid_constant__ FrameTurns turns, int width, int head_dim, const float* cos,
                                 const float* sin, const T* from_pool, int64_t from_layer_rows, T* to_pool,
                                 int64_t to_layer_rows) {
  const int64_t row = blockIdx.x;
  const int frame = blockIdx.y, pairs = head_dim / 2;
  const int64_t layer = blockIdx.z;
  const T* from = from_pool + (layer * from_layer_rows + turns.moves.from[frame] + row) * width;
  T* to = to_pool + (layer * to_layer_rows + turns.moves.to[frame] + row) * width;
  const int64_t table = (int64_t{turns.position[frame]} * turns.moves.frame_rows + row) * pairs;
  for (int at = 4 * static_cast<int>(threadIdx.x); at < width; at += 4 * kTurnThreads) {
    const float4 v = Load4(from + at);
    const float2 c = *reinterpret_cast<const float2*>(cos + table + at % head_dim / 2);
    const float2 s = *reinterpret_cast<const float2*>(sin + table + at % head_dim / 2);
    Store4(to + at, {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y});
  }
}

template <typename T>
void LaunchTurns(const FrameTurns& turns, int width, int head_dim, const float* cos, const float* sin,
                 const void* from_pool, int64_t from_layer_rows, void* to_pool, int64_t to_layer_rows, int layers,
                 Stream stream) {
  const dim3 grid(static_cast<unsigned>(turns.moves.frame_rows), turns.moves.count, layers);
  TurnFramesKernel<T><<<grid, kTurnThreads, 0, stream>>>(turns, width, head_dim, cos, sin,
                                                         static_cast<const T*>(from_pool), from_layer_rows,
                                                         static_cast<T*>(to_pool), to_layer_rows);
}

}  // namespace

void FillRotaryTable(const RotaryShape& shape, int64_t first_frame, int frames, float* cos, float* sin, Stream stream) {
  const int64_t values = int64_t{frames} * shape.rows * shape.columns * (shape.head_dim / 2);
  FillRotary<<<static_cast<int>((values + kThreads - 1) / kThreads), kThreads, 0, stream>>>(shape, first_frame, values,
                                                                                            cos, sin);
}

void MoveFrames(const FrameMoves& moves, const void* from_pool, int64_t from_layer_rows, void* to_pool,
                int64_t to_layer_rows, int layers, int64_t row_bytes, Stream stream) {
  if (moves.count == 0) return;
  const int64_t row_units = row_bytes / 16, units = moves.frame_rows * row_units;
  const int pieces = static_cast<int>((units + 8 * kThreads - 1) / (8 * kThreads));
  MoveFramesKernel<<<dim3(pieces, moves.count, layers), kThreads, 0, stream>>>(
      moves, static_cast<const uint4*>(from_pool), from_layer_rows * row_units, static_cast<uint4*>(to_pool),
      to_layer_rows * row_units, row_units);
}

void TurnFrames(const FrameTurns& turns, Element element, int heads, int head_dim, const float* cos, const float* sin,
                const void* from_pool, int64_t from_layer_rows, void* to_pool, int64_t to_layer_rows, int layers,
                Stream stream) {
  if (turns.moves.count == 0) return;
  const int width = heads * head_dim;
  if (element == Element::kFloat32) {
    LaunchTurns<float>(turns, width, head_dim, cos, sin, from_pool, from_layer_rows, to_pool, to_layer_rows, layers,
                       stream);
  } else {
    LaunchTurns<__nv_bfloat16>(turns, width, head_dim, cos, sin, from_pool, from_layer_rows, to_pool, to_layer_rows,
                               layers, stream);
  }
}

}  // namespace videodiffcr::kernels
