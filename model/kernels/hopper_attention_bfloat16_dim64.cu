#include "model/kernels/hopper_attention.cuh"

namespace videodiffcr::kernels {

void RunBfloat16Dim64(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  LaunchBfloat16<64, 192, 128, flashinfer::StandardAttention>(call, plan, stream);
}

}  // namespace videodiffcr::kernels
