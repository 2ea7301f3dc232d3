#include "model/kernels/key_window.h"

#include "model/kernels/device_math.cuh"
#include "model/kernels/rotary_angle.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kTurnThreads = 128;  // of one row

__global__ void FillRotary(RotaryTableCall call, int64_t values) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= values) return;
  const int pairs = call.shape.head_dim / 2, sites = call.shape.rows * call.shape.columns;
  const int64_t token = i / pairs;
  double c, s;
  sincos(RotaryAngle(call.shape, call.first_frame + token / sites, static_cast<int>(token % sites),
                     static_cast<int>(i % pairs)),
         &s, &c);
  call.cos[i] = static_cast<float>(c);
  call.sin[i] = static_cast<float>(s);
}

// grid: (pieces of a frame, frames, layers); bytes in units of 16.
__global__ void MoveFramesKernel(const __grid_constant__ MoveFramesCall call) {
  const int64_t row_units = call.row_bytes / 16, units = call.moves.frame_rows * row_units;
  const int64_t from_row = blockIdx.z * call.pools.from_layer_rows + call.moves.from[blockIdx.y];
  const int64_t to_row = blockIdx.z * call.pools.to_layer_rows + call.moves.to[blockIdx.y];
  const uint4* from = static_cast<const uint4*>(call.pools.from) + from_row * row_units;
  uint4* to = static_cast<uint4*>(call.pools.to) + to_row * row_units;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < units; i += int64_t{gridDim.x} * kThreads) {
    to[i] = from[i];
  }
}

// grid: (rows of a frame, frames, layers).
template <typename T>
__global__ void TurnFramesKernel(const __grid_constant__ TurnFramesCall call) {
  const int64_t row = blockIdx.x, layer = blockIdx.z;
  const int frame = blockIdx.y, pairs = call.head_dim / 2, width = call.heads * call.head_dim;
  const T* from = static_cast<const T*>(call.pools.from) +
                  (layer * call.pools.from_layer_rows + call.moves.from[frame] + row) * width;
  T* to = static_cast<T*>(call.pools.to) + (layer * call.pools.to_layer_rows + call.moves.to[frame] + row) * width;
  const int64_t table = (int64_t{call.position[frame]} * call.moves.frame_rows + row) * pairs;
  for (int at = 4 * static_cast<int>(threadIdx.x); at < width; at += 4 * kTurnThreads) {
    const float4 v = Load4(from + at);
    const float2 c = *reinterpret_cast<const float2*>(call.cos + table + at % call.head_dim / 2);
    const float2 s = *reinterpret_cast<const float2*>(call.sin + table + at % call.head_dim / 2);
    Store4(to + at, {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y});
  }
}

}  // namespace

void FillRotaryTable(const RotaryTableCall& call, Stream stream) {
  const int64_t values = int64_t{call.frames} * call.shape.rows * call.shape.columns * (call.shape.head_dim / 2);
  FillRotary<<<static_cast<int>((values + kThreads - 1) / kThreads), kThreads, 0, stream>>>(call, values);
}

void MoveFrames(const MoveFramesCall& call, Stream stream) {
  if (call.moves.count == 0) return;
  const int64_t units = call.moves.frame_rows * (call.row_bytes / 16);
  const int pieces = static_cast<int>((units + 8 * kThreads - 1) / (8 * kThreads));
  MoveFramesKernel<<<dim3(pieces, call.moves.count, call.pools.layers), kThreads, 0, stream>>>(call);
}

void TurnFrames(const TurnFramesCall& call, Stream stream) {
  if (call.moves.count == 0) return;
  const dim3 grid(static_cast<unsigned>(call.moves.frame_rows), call.moves.count, call.pools.layers);
  if (call.element == Element::kFloat32) {
    TurnFramesKernel<float><<<grid, kTurnThreads, 0, stream>>>(call);
  } else {
    TurnFramesKernel<__nv_bfloat16><<<grid, kTurnThreads, 0, stream>>>(call);
  }
}

}  // namespace videodiffcr::kernels
