#include "model/kernels/hopper_attention.cuh"

namespace videodiffcr::kernels {

void RunTextDim64(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  LaunchBfloat16<64, 192, 128, TextAttention>(call, plan, stream);
}

}  // namespace videodiffcr::kernels
