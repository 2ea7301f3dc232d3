// A build for the CPU: rollouts that are trained run on the plain path there.
#include "model/rollout/served_passes.h"

namespace videodiffcr {

absl::Status CheckServedPasses(const TransformerConfig&, at::Device) {
  return absl::FailedPreconditionError("this build has no kernels of a GPU");
}

absl::StatusOr<std::unique_ptr<ServedPasses>> MakeServedPasses(const ServedNetwork& network, const at::Tensor&) {
  return CheckServedPasses(network.config, at::kCPU);
}

}  // namespace videodiffcr
