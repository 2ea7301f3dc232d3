#include "model/kernels/device_math.cuh"
#include "model/kernels/norm_rotary.h"

namespace videodiffcr::kernels {
namespace {

// Two pairs by the first two angles.
__device__ __forceinline__ float4 Turn(float4 v, float2 c, float2 s) {
  return {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y};
}

// One group of four values after the norm: multiplied by its weight, kept as it is where asked, turned and stored.
template <typename Out>
__device__ __forceinline__ void Finish(float4 x, float inverse, const float* weight, bool turns, float2 cos, float2 sin,
                                       Out* plain, Out* out) {
  const float4 y = x * inverse * Load4(weight);
  if (plain != nullptr) Store4(plain, y);
  Store4(out, turns ? Turn(y, cos, sin) : y);
}

template <typename Layout, typename In, typename Out>
__device__ __forceinline__ void CopyRow(const In* in, Out* out, int width) {
#pragma unroll
  for (int group = 0; group < Layout::kGroups; ++group) {
    const int at = Layout::column(group);
    if (at < width) Store4(out + at, Load4(in + at));
  }
}

// Queries and keys of a row go together: they share the angles. Any of the three inputs may be missing.
template <typename In, typename Out, typename Layout>
__global__ void __launch_bounds__(kBlockThreads) NormRotaryRows(const __grid_constant__ NormRotaryCall call) {
  constexpr int kGroups = Layout::kGroups;
  const int row = Layout::row();
  if (row >= call.rows.rows()) return;
  const int segment = call.rows.segment_of(row), index = row - call.rows.first_row[segment];
  const int64_t from = row * call.in_stride, width = call.width;
  const In* query_in = call.query_in == nullptr ? nullptr : static_cast<const In*>(call.query_in) + from;
  const In* key_in = call.key_in == nullptr ? nullptr : static_cast<const In*>(call.key_in) + from;
  const int64_t key_at = (call.key_row[segment] + index) * width;

  float4 query[kGroups], key[kGroups];
  float query_squares = 0, key_squares = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = Layout::column(group);
    if (at >= width) continue;
    if (query_in != nullptr) {
      query[group] = Load4(query_in + at);
      query_squares += Sum(query[group] * query[group]);
    }
    if (key_in != nullptr) {
      key[group] = Load4(key_in + at);
      key_squares += Sum(key[group] * key[group]);
    }
  }
  if (call.value_in != nullptr) {
    CopyRow<Layout>(static_cast<const In*>(call.value_in) + from, static_cast<Out*>(call.values) + key_at, width);
  }
  const float query_inverse = rsqrtf(SumOverRow<Layout::kThreads>(query_squares) / width + call.eps);
  const float key_inverse = rsqrtf(SumOverRow<Layout::kThreads>(key_squares) / width + call.eps);

  const bool turns = call.cos[segment] != nullptr;
  const int64_t table = turns ? int64_t{call.rows.token(row, segment)} * (call.head_dim / 2) : 0;
  Out* query_out = static_cast<Out*>(call.query_out) + row * width;
  Out* keys = static_cast<Out*>(call.keys) + key_at;
  Out* plain = call.plain_keys == nullptr
                   ? nullptr
                   : static_cast<Out*>(call.plain_keys) + (call.plain_key_row[segment] + index) * width;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = Layout::column(group);
    if (at >= width) continue;
    float2 cos = {}, sin = {};
    if (turns) {
      const int64_t pair = table + at % call.head_dim / 2;
      cos = *reinterpret_cast<const float2*>(call.cos[segment] + pair);
      sin = *reinterpret_cast<const float2*>(call.sin[segment] + pair);
    }
    if (query_in != nullptr) {
      Finish<Out>(query[group], query_inverse, call.query_weight + at, turns, cos, sin, nullptr, query_out + at);
    }
    if (key_in != nullptr) {
      Finish<Out>(key[group], key_inverse, call.key_weight + at, turns, cos, sin,
                  plain == nullptr ? nullptr : plain + at, keys + at);
    }
  }
}

template <typename In, typename Out>
void Launch(const NormRotaryCall& call, Stream stream) {
  DispatchWideRow(call.width, [&](auto layout) {
    using Layout = decltype(layout);
    NormRotaryRows<In, Out, Layout><<<Layout::grid(call.rows.rows()), Layout::block(), 0, stream>>>(call);
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
