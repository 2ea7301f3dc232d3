#include "model/kernels/device_math.cuh"
#include "model/kernels/norm_rotary.h"

namespace videodiffcr::kernels {
namespace {

__device__ __forceinline__ float4 Turn(float4 v, const float* cos, const float* sin) {
  const float2 c = *reinterpret_cast<const float2*>(cos), s = *reinterpret_cast<const float2*>(sin);
  return {v.x * c.x - v.y * s.x, v.x * s.x + v.y * c.x, v.z * c.y - v.w * s.y, v.z * s.y + v.w * c.y};
}

// Norm and turn of one row; `plain` and `out` are the row's places, either may be null.
template <typename In, typename Out, typename Layout>
__device__ void NormAndTurn(const NormRotaryCall& call, const In* in, const float* weight, const float* cos,
                            const float* sin, Out* plain, Out* out) {
  constexpr int kGroups = Layout::kGroups;
  const auto column = [](int group) { return Layout::column(group); };
  float4 x[kGroups];
  float squares = 0;
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    if (column(group) >= call.width) continue;
    x[group] = Load4(in + column(group));
    squares += Sum(x[group] * x[group]);
  }
  const float inverse = rsqrtf(SumOverRow<Layout::kThreads>(squares) / call.width + call.eps);
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    const int at = column(group);
    if (at >= call.width) continue;
    float4 y = x[group] * inverse * Load4(weight + at);
    if (plain != nullptr) Store4(plain + at, y);
    const int pair = at % call.head_dim / 2;
    if (cos != nullptr) y = Turn(y, cos + pair, sin + pair);
    Store4(out + at, y);
  }
}

template <typename In, typename Out, typename Layout>
__global__ void __launch_bounds__(kBlockThreads) NormRotaryRows(const __grid_constant__ NormRotaryCall call) {
  const int row = Layout::row();
  if (row >= call.rows.rows()) return;
  const int segment = call.rows.segment_of(row);
  const int index = row - call.rows.first_row[segment];
  const int64_t from = row * call.in_stride, width = call.width;
  const float* cos = call.cos[segment];
  const float* sin = call.sin[segment];
  if (cos != nullptr) {
    const int64_t at = int64_t{call.rows.token(row, segment)} * (call.head_dim / 2);
    cos += at;
    sin += at;
  }
  if (call.query_in != nullptr) {
    NormAndTurn<In, Out, Layout>(call, static_cast<const In*>(call.query_in) + from, call.query_weight, cos, sin,
                                 nullptr, static_cast<Out*>(call.query_out) + row * width);
  }
  const int64_t key_at = (call.key_row[segment] + index) * width;
  if (call.key_in != nullptr) {
    Out* plain = call.plain_keys == nullptr
                     ? nullptr
                     : static_cast<Out*>(call.plain_keys) + (call.plain_key_row[segment] + index) * width;
    NormAndTurn<In, Out, Layout>(call, static_cast<const In*>(call.key_in) + from, call.key_weight, cos, sin, plain,
                                 static_cast<Out*>(call.keys) + key_at);
  }
  if (call.value_in != nullptr) {
    const In* in = static_cast<const In*>(call.value_in) + from;
    Out* out = static_cast<Out*>(call.values) + key_at;
    for (int at = Layout::column(0); at < width; at += 4 * Layout::kThreads) Store4(out + at, Load4(in + at));
  }
}

template <typename In, typename Out>
void Launch(const NormRotaryCall& call, Stream stream) {
  DispatchRowWidth(call.width, [&](auto layout) {
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
