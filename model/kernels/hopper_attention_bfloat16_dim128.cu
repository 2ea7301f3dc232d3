#include "model/kernels/hopper_attention.cuh"

namespace videodiffcr::kernels {

void RunBfloat16Dim128(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  LaunchBfloat16<128, 128, 192, flashinfer::StandardAttention>(call, plan, stream);
}

}  // namespace videodiffcr::kernels
