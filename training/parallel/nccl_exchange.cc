#include "training/parallel/nccl_exchange.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/csrc/cuda/nccl.h>

#include <cstdlib>
#include <utility>

#include "training/parallel/host_exchange.h"

namespace videodiffcr::training {
namespace {

namespace nccl = torch::cuda::nccl;

class NcclExchange final : public GradientExchange {
 public:
  NcclExchange(std::unique_ptr<HostExchange> host, at::Device device, nccl::ncclComm_t communicator)
      : host_(std::move(host)), device_(device), communicator_(communicator) {}
  // Not destroyed: that waits for the others, which may be gone, and the process is about to end.
  ~NcclExchange() override = default;

  int64_t rank() const override { return host_->rank(); }
  int64_t world() const override { return host_->world(); }

  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    if (tensors.empty()) return absl::OkStatus();
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    std::vector<at::Tensor> sum = {Flatten(tensors)};
    nccl::all_reduce(sum, sum, static_cast<int32_t>(nccl::ncclRedOp::Sum), {}, {communicator_});
    Unflatten(sum[0], tensors);
    return absl::OkStatus();
  }

  absl::Status Broadcast(const std::vector<at::Tensor>& tensors) override {
    if (tensors.empty()) return absl::OkStatus();
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    const at::Tensor flat = Flatten(tensors);
    nccl::broadcast({flat}, {}, {communicator_});
    Unflatten(flat, tensors);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> AllGather(double value) override { return host_->AllGather(value); }

 private:
  const std::unique_ptr<HostExchange> host_;
  const at::Device device_;
  const nccl::ncclComm_t communicator_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GradientExchange>> MakeNcclExchange(RankPlace place, at::Device device) {
  // NVLink multicast (NVLS) takes resources of the whole host, which others may share, and gains nothing at our sizes.
  setenv("NCCL_NVLS_ENABLE", "0", /*replace=*/1);
  auto host = std::make_unique<HostExchange>(std::move(place));
  nccl::ncclUniqueId id;
  if (host->rank() == 0) nccl::get_unique_id(id);
  if (absl::Status shared = host->sockets().Broadcast(&id, sizeof(id)); !shared.ok()) return shared;
  const c10::cuda::CUDAGuard guard(device);
  const nccl::ncclComm_t communicator =
      nccl::comm_init_rank(static_cast<int>(host->world()), id, static_cast<int>(host->rank()));
  return std::make_unique<NcclExchange>(std::move(host), device, communicator);
}

}  // namespace videodiffcr::training
