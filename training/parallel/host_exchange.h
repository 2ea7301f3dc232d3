// Exchange through the sockets of the run: what several processes on one machine's processors use. Rank 0 adds what
// the others send, in their order, and sends the sum back, or to each its part. A call returns when all is done: there
// is nothing to be won by a thread beside backward(), which would need the same processors for its sums.
#ifndef VIDEODIFFCR_TRAINING_PARALLEL_HOST_EXCHANGE_H_
#define VIDEODIFFCR_TRAINING_PARALLEL_HOST_EXCHANGE_H_

#include <memory>
#include <utility>
#include <vector>

#include "training/parallel/gradient_exchange.h"
#include "training/parallel/rank_sockets.h"

namespace videodiffcr::training {

class HostExchange final : public GradientExchange {
 public:
  explicit HostExchange(RankPlace place) : sockets_(std::move(place)) {}

  int64_t rank() const override { return sockets_.rank(); }
  int64_t world() const override { return sockets_.world(); }
  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override;
  absl::Status Broadcast(const std::vector<at::Tensor>& tensors) override;
  absl::StatusOr<std::vector<double>> AllGather(double value) override;
  absl::StatusOr<at::Tensor> ReduceScatterSum(const at::Tensor& row) override;
  absl::StatusOr<at::Tensor> AllGatherParts(const at::Tensor& part) override;
  void Join() override {}
  absl::StatusOr<std::vector<at::Tensor>> GatherToFirst(const at::Tensor& row,
                                                        const std::vector<int64_t>& counts) override;

  RankSockets& sockets() { return sockets_; }

 private:
  // At rank 0 `row` plus those of the others; the others' go away.
  absl::StatusOr<at::Tensor> SumAtFirst(at::Tensor row);

  RankSockets sockets_;
};

// All elements in one row, and back into the tensors. The row of a single contiguous tensor shares its memory.
at::Tensor Flatten(const std::vector<at::Tensor>& tensors);
void Unflatten(const at::Tensor& flat, const std::vector<at::Tensor>& tensors);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PARALLEL_HOST_EXCHANGE_H_
