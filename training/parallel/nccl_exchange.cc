#include "training/parallel/nccl_exchange.h"

#include <ATen/TensorOperators.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <c10/core/GradMode.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
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
      : host_(std::move(host)),
        device_(device),
        communicator_(communicator),
        stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())) {}
  // Not destroyed: that waits for the others, which may be gone, and the process is about to end.
  ~NcclExchange() override = default;

  int64_t rank() const override { return host_->rank(); }
  int64_t world() const override { return host_->world(); }

  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    if (tensors.empty()) return absl::OkStatus();
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    std::vector<at::Tensor> sum = {Flatten(tensors)};
    Enter(sum);
    nccl::all_reduce(sum, sum, static_cast<int32_t>(nccl::ncclRedOp::Sum), {stream_}, {communicator_});
    Join();
    Unflatten(sum[0], tensors);
    return absl::OkStatus();
  }

  // One tensor after the other, so that no second copy of them all is made.
  absl::Status Broadcast(const std::vector<at::Tensor>& tensors) override {
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    for (const at::Tensor& tensor : tensors) {
      const at::Tensor flat = Flatten({tensor.to(device_)});
      Enter({flat});
      nccl::broadcast({flat}, {stream_}, {communicator_});
      Join();
      Unflatten(flat, {tensor});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> AllGather(double value) override { return host_->AllGather(value); }

  absl::StatusOr<at::Tensor> ReduceScatterSum(const at::Tensor& row) override {
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    at::Tensor sent = row.contiguous(), received = at::empty_like(sent);
    at::Tensor sum = at::empty({row.numel() / world()}, row.options());
    Enter({sent, received, sum});
    nccl::all2all_single_equal_split(sent, received, static_cast<int>(world()), communicator_, stream_);
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    at::sum_out(sum, received.view({world(), -1}), at::IntArrayRef{0});
    return sum;
  }

  absl::StatusOr<at::Tensor> AllGatherParts(const at::Tensor& part) override {
    const c10::NoGradGuard no_gradients;
    const c10::cuda::CUDAGuard guard(device_);
    const at::Tensor row = at::empty({world(), part.numel()}, part.options());
    std::vector<at::Tensor> sent(static_cast<size_t>(world()), part.contiguous()), received = row.unbind(0);
    Enter({sent[0], row});
    nccl::all2all(received, sent, communicator_, stream_);
    return row.flatten();
  }

  void Join() override {
    at::cuda::CUDAEvent done;
    done.record(stream_);
    done.block(c10::cuda::getCurrentCUDAStream(device_.index()));
  }

  absl::StatusOr<std::vector<at::Tensor>> GatherToFirst(const at::Tensor& row,
                                                        const std::vector<int64_t>& counts) override {
    return host_->GatherToFirst(row, counts);
  }

 private:
  // The stream goes on when the caller's has made `tensors`; their memory is not used anew before it is done with them.
  void Enter(const std::vector<at::Tensor>& tensors) {
    at::cuda::CUDAEvent made;
    made.record(c10::cuda::getCurrentCUDAStream(device_.index()));
    made.block(stream_);
    for (const at::Tensor& tensor : tensors) {
      c10::cuda::CUDACachingAllocator::recordStream(tensor.storage().data_ptr(), stream_);
    }
  }

  const std::unique_ptr<HostExchange> host_;
  const at::Device device_;
  const nccl::ncclComm_t communicator_;
  c10::cuda::CUDAStream stream_;
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
