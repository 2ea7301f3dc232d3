#include "model/kernels/float8_softmax.cuh"
#include "model/kernels/hopper_attention.cuh"

namespace videodiffcr::kernels {

void RunFloat8Dim128(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  using T = cutlass::float_e4m3_t;
  using Traits =
      flashinfer::FP8AttentionKernelTraits<true, 128, 128, 192, 2, T, T, cutlass::bfloat16_t, int32_t, Float8Attention>;
  LaunchHopperAttention<Traits, flashinfer::FP8CollectiveMainloop<HopperExtraParams, Traits, false>,
                        flashinfer::FP8CollectiveEpilogue<Traits>, true>(call, plan, stream);
}

}  // namespace videodiffcr::kernels
