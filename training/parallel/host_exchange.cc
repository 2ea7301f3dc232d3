#include "training/parallel/host_exchange.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

namespace videodiffcr::training {

at::Tensor Flatten(const std::vector<at::Tensor>& tensors) {
  if (tensors.size() == 1) return tensors[0].detach().flatten();
  std::vector<at::Tensor> rows;
  for (const at::Tensor& tensor : tensors) rows.push_back(tensor.detach().flatten());
  return at::cat(rows);
}

void Unflatten(const at::Tensor& flat, const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> parts;
  int64_t first = 0;
  for (const at::Tensor& tensor : tensors) {
    parts.push_back(flat.narrow(0, first, tensor.numel()).view(tensor.sizes()));
    first += tensor.numel();
  }
  const c10::NoGradGuard no_gradients;
  at::_foreach_copy_(tensors, parts);
}

absl::Status HostExchange::AllReduceSum(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return absl::OkStatus();
  const at::Tensor sum = Flatten(tensors).cpu();
  const size_t bytes = sum.nbytes();
  if (rank() == 0) {
    const at::Tensor others = at::empty_like(sum);
    for (int64_t other = 1; other < world(); ++other) {
      if (absl::Status received = sockets_.Receive(other, others.mutable_data_ptr(), bytes); !received.ok()) {
        return received;
      }
      sum.add_(others);
    }
  } else if (absl::Status sent = sockets_.Send(0, sum.const_data_ptr(), bytes); !sent.ok()) {
    return sent;
  }
  if (absl::Status shared = sockets_.Broadcast(sum.mutable_data_ptr(), bytes); !shared.ok()) return shared;
  Unflatten(sum, tensors);
  return absl::OkStatus();
}

absl::Status HostExchange::Broadcast(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor values = tensor.detach().cpu().contiguous();
    if (absl::Status shared = sockets_.Broadcast(values.mutable_data_ptr(), values.nbytes()); !shared.ok()) {
      return shared;
    }
    const c10::NoGradGuard no_gradients;
    if (rank() != 0) tensor.detach().copy_(values);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> HostExchange::AllGather(double value) {
  std::vector<double> values(static_cast<size_t>(world()));
  values[static_cast<size_t>(rank())] = value;
  for (int64_t other = 1; rank() == 0 && other < world(); ++other) {
    if (absl::Status received = sockets_.Receive(other, &values[static_cast<size_t>(other)], sizeof(double));
        !received.ok()) {
      return received;
    }
  }
  if (rank() != 0) {
    if (absl::Status sent = sockets_.Send(0, &value, sizeof(value)); !sent.ok()) return sent;
  }
  if (absl::Status shared = sockets_.Broadcast(values.data(), values.size() * sizeof(double)); !shared.ok()) {
    return shared;
  }
  return values;
}

}  // namespace videodiffcr::training
