#include "model/kernels/device_math.cuh"
#include "model/kernels/launch.cuh"
#include "model/kernels/norm_rotary.h"

namespace videodiffcr::kernels {
namespace {

// Two pairs by the first two angles.
__device__ __forceinline__ float4 Turn(float4 v, float2 c, float2 s) {
  return {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y};
}

// Load, compute, store, one behind the other for all groups: a load behind a store would wait for it, since for all the
// compiler knows they may overlap.
template <typename Layout, typename In>
__device__ __forceinline__ void LoadRow(const In* in, int width, Packed4<In> (&values)[Layout::kGroups]) {
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (in != nullptr && at < width) values[group] = LoadPacked4(in + at);
  }
}

// The row over its root mean square, times `weight`, [width].
template <typename Layout, typename In>
__device__ __forceinline__ void NormRow(const Packed4<In> (&in)[Layout::kGroups], int width, float eps,
                                        const float* weight, float4 (&out)[Layout::kGroups]) {
  float squares = 0;
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    out[group] = Layout::column(group) < width ? Unpack4(in[group]) : float4{};
    squares += Sum(out[group] * out[group]);
  }
  const float inverse = rsqrtf(SumOverRow<Layout::kThreads>(squares) / width + eps);
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (at < width) out[group] = out[group] * inverse * Load4(weight + at);
  }
}

// The angles of a row's groups, the same in every head.
template <typename Layout>
struct RowAngles {
  // `cos`, `sin` [head_dim / 2]; null: nothing turns.
  __device__ __forceinline__ RowAngles(const float* cos_row, const float* sin_row, int head_dim, int width)
      : turns(cos_row != nullptr) {
#pragma unroll
    for (int group = 0; group < Layout::kGroups; ++group) {
      const int at = Layout::column(group);
      if (!turns || at >= width) continue;
      cos[group] = *reinterpret_cast<const float2*>(cos_row + at % head_dim / 2);
      sin[group] = *reinterpret_cast<const float2*>(sin_row + at % head_dim / 2);
    }
  }
  __device__ __forceinline__ void Apply(float4 (&values)[Layout::kGroups]) const {
    if (!turns) return;
#pragma unroll
    for (int group = 0; group < Layout::kGroups; ++group) values[group] = Turn(values[group], cos[group], sin[group]);
  }

  const bool turns;
  float2 cos[Layout::kGroups] = {}, sin[Layout::kGroups] = {};
};

// Queries and keys of a row go together: they share the angles. Any of the three inputs may be missing.
template <typename In, typename Out, typename Layout>
__global__ void __launch_bounds__(Layout::kBlockThreads) NormRotaryRows(const __grid_constant__ NormRotaryCall call) {
  WaitForKernelBefore();
  const int row = Layout::row();
  if (row >= call.rows.rows()) return;
  const int segment = call.rows.segment_of(row), index = row - call.rows.first_row[segment], width = call.width;
  const auto input = [&](const void* rows) {
    return rows == nullptr ? nullptr : static_cast<const In*>(rows) + row * call.in_stride;
  };
  const auto output = [&](void* rows, int64_t to) { return static_cast<Out*>(rows) + to * width; };
  Packed4<In> query[Layout::kGroups], key[Layout::kGroups], value[Layout::kGroups];
  LoadRow<Layout>(input(call.query_in), width, query);
  LoadRow<Layout>(input(call.key_in), width, key);
  LoadRow<Layout>(input(call.value_in), width, value);
  const bool turns = call.cos[segment] != nullptr;
  const int64_t table = turns ? int64_t{call.rows.token(row, segment)} * (call.head_dim / 2) : 0;
  const RowAngles<Layout> angles(turns ? call.cos[segment] + table : nullptr,
                                 turns ? call.sin[segment] + table : nullptr, call.head_dim, width);
  float4 normed[Layout::kGroups];
  if (call.query_in != nullptr) {
    NormRow<Layout, In>(query, width, call.eps, call.query_weight, normed);
    angles.Apply(normed);
    StoreRow<Layout>(normed, width, output(call.query_out, row));
  }
  if (call.key_in != nullptr) {
    NormRow<Layout, In>(key, width, call.eps, call.key_weight, normed);
    if (call.plain_keys != nullptr) {
      StoreRow<Layout>(normed, width, output(call.plain_keys, call.plain_key_row[segment] + index));
    }
    angles.Apply(normed);
    StoreRow<Layout>(normed, width, output(call.keys, call.key_row[segment] + index));
  }
  if (call.value_in != nullptr) {
#pragma unroll
    for (int group = 0; group < Layout::kGroups; ++group) normed[group] = Unpack4(value[group]);
    StoreRow<Layout>(normed, width, output(call.values, call.key_row[segment] + index));
  }
}

template <typename In, typename Out>
void Launch(const NormRotaryCall& call, Stream stream) {
  DispatchRowWidth(call.width, [&](auto layout) {
    using Layout = decltype(layout);
    LaunchEarly(NormRotaryRows<In, Out, Layout>, Layout::grid(call.rows.rows()), Layout::block(), 0, stream, call);
  });
}

}  // namespace

void NormRotary(const NormRotaryCall& call, Stream stream) {
  if (call.in_element == Element::kFloat32) {
    Launch<float, float>(call, stream);
  } else if (call.out_element == Element::kFloat8) {
    Launch<__nv_bfloat16, __nv_fp8_e4m3>(call, stream);
  } else {
    Launch<__nv_bfloat16, __nv_bfloat16>(call, stream);
  }
}

}  // namespace videodiffcr::kernels
