// The one seam between a training run and the other processes that train the same weights, each on its own part of
// every batch. A process is known by its rank, 0 to world - 1.
//
// Calls of all ranks meet: each rank makes the same calls in the same order, with tensors of the same sizes. An error
// says which rank is at fault; after one the exchange is of no use. One thread calls.
#ifndef VIDEODIFFCR_TRAINING_PARALLEL_GRADIENT_EXCHANGE_H_
#define VIDEODIFFCR_TRAINING_PARALLEL_GRADIENT_EXCHANGE_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_div.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::training {

class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  virtual int64_t rank() const = 0;
  virtual int64_t world() const = 0;

  // Every tensor becomes its sum over the ranks, in place, with the same bits at each.
  virtual absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) = 0;
  // Every tensor becomes that of rank 0, in place.
  virtual absl::Status Broadcast(const std::vector<at::Tensor>& tensors) = 0;
  // The values of all ranks, by rank. Waits for no device.
  virtual absl::StatusOr<std::vector<double>> AllGather(double value) = 0;

  // `row` is as many parts of one size as there are ranks: rank r gets the sum over all ranks of part r. On a GPU this
  // and the next are done beside what the caller's stream does from here on; the results are there after Join().
  virtual absl::StatusOr<at::Tensor> ReduceScatterSum(const at::Tensor& row) = 0;
  // The parts of all ranks behind each other, with the same bits at each.
  virtual absl::StatusOr<at::Tensor> AllGatherParts(const at::Tensor& part) = 0;
  // What the caller's stream does from here on comes after all that was begun. The host does not wait.
  virtual void Join() = 0;

  // At rank 0 the rows of all ranks, fp32 on the CPU, that of rank r with counts[r] elements; nothing at the others.
  virtual absl::StatusOr<std::vector<at::Tensor>> GatherToFirst(const at::Tensor& row,
                                                                const std::vector<int64_t>& counts) = 0;

  absl::Status AllReduceMean(const std::vector<at::Tensor>& tensors) {
    if (world() == 1 || tensors.empty()) return absl::OkStatus();
    if (absl::Status added = AllReduceSum(tensors); !added.ok()) return added;
    const c10::NoGradGuard no_gradients;
    at::_foreach_div_(tensors, static_cast<double>(world()));
    return absl::OkStatus();
  }

  absl::StatusOr<double> Mean(double value) {
    const absl::StatusOr<std::vector<double>> values = AllGather(value);
    if (!values.ok()) return values.status();
    return std::accumulate(values->begin(), values->end(), 0.0) / static_cast<double>(values->size());
  }
};

// What a run uses that has no other processes: nothing happens.
class SingleProcess final : public GradientExchange {
 public:
  static SingleProcess* Instance() {
    static SingleProcess instance;
    return &instance;
  }

  int64_t rank() const override { return 0; }
  int64_t world() const override { return 1; }
  absl::Status AllReduceSum(const std::vector<at::Tensor>&) override { return absl::OkStatus(); }
  absl::Status Broadcast(const std::vector<at::Tensor>&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<double>> AllGather(double value) override { return std::vector<double>{value}; }
  absl::StatusOr<at::Tensor> ReduceScatterSum(const at::Tensor& row) override { return row; }
  absl::StatusOr<at::Tensor> AllGatherParts(const at::Tensor& part) override { return part; }
  void Join() override {}
  absl::StatusOr<std::vector<at::Tensor>> GatherToFirst(const at::Tensor& row, const std::vector<int64_t>&) override {
    return std::vector<at::Tensor>{row};
  }
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PARALLEL_GRADIENT_EXCHANGE_H_
