#include "training/parallel/host_exchange.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

namespace videodiffcr::training {

at::Tensor Flatten(const std::vector<at::Tensor>& tensors) {
  if (tensors.size() == 1) return tensors[0].detach().flatten();
  std::vector<at::Tensor> rows;
  rows.reserve(tensors.size());
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

absl::StatusOr<at::Tensor> HostExchange::SumAtFirst(at::Tensor row) {
  const size_t bytes = row.nbytes();
  if (rank() != 0) {
    if (absl::Status sent = sockets_.Send(0, row.const_data_ptr(), bytes); !sent.ok()) return sent;
    return row;
  }
  const at::Tensor other_row = at::empty_like(row);
  for (int64_t other = 1; other < world(); ++other) {
    if (absl::Status received = sockets_.Receive(other, other_row.mutable_data_ptr(), bytes); !received.ok()) {
      return received;
    }
    row.add_(other_row);
  }
  return row;
}

absl::Status HostExchange::AllReduceSum(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return absl::OkStatus();
  const absl::StatusOr<at::Tensor> sum = SumAtFirst(Flatten(tensors).cpu());
  if (!sum.ok()) return sum.status();
  if (absl::Status shared = sockets_.Broadcast(sum->mutable_data_ptr(), sum->nbytes()); !shared.ok()) return shared;
  Unflatten(*sum, tensors);
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> HostExchange::ReduceScatterSum(const at::Tensor& row) {
  // A copy: the caller's row stays as it is.
  const absl::StatusOr<at::Tensor> sum = SumAtFirst(row.to(at::kCPU, row.scalar_type(), false, /*copy=*/true));
  if (!sum.ok()) return sum.status();
  const int64_t elements = row.numel() / world();
  const at::Tensor mine = sum->narrow(0, 0, elements).clone();
  for (int64_t other = 1; rank() == 0 && other < world(); ++other) {
    const at::Tensor part = sum->narrow(0, other * elements, elements);
    if (absl::Status sent = sockets_.Send(other, part.const_data_ptr(), part.nbytes()); !sent.ok()) return sent;
  }
  if (rank() != 0) {
    if (absl::Status got = sockets_.Receive(0, mine.mutable_data_ptr(), mine.nbytes()); !got.ok()) return got;
  }
  return mine.to(row.device());
}

absl::StatusOr<at::Tensor> HostExchange::AllGatherParts(const at::Tensor& part) {
  const at::Tensor mine = part.cpu().contiguous();
  const at::Tensor all = at::empty({world() * part.numel()}, mine.options());
  all.narrow(0, rank() * part.numel(), part.numel()).copy_(mine);
  for (int64_t other = 1; rank() == 0 && other < world(); ++other) {
    const at::Tensor place = all.narrow(0, other * part.numel(), part.numel());
    if (absl::Status got = sockets_.Receive(other, place.mutable_data_ptr(), place.nbytes()); !got.ok()) return got;
  }
  if (rank() != 0) {
    if (absl::Status sent = sockets_.Send(0, mine.const_data_ptr(), mine.nbytes()); !sent.ok()) return sent;
  }
  if (absl::Status shared = sockets_.Broadcast(all.mutable_data_ptr(), all.nbytes()); !shared.ok()) return shared;
  return all.to(part.device());
}

absl::StatusOr<std::vector<at::Tensor>> HostExchange::GatherToFirst(const at::Tensor& row,
                                                                    const std::vector<int64_t>& counts) {
  if (rank() != 0) {
    if (absl::Status sent = sockets_.Send(0, row.const_data_ptr(), row.nbytes()); !sent.ok()) return sent;
    return std::vector<at::Tensor>{};
  }
  std::vector<at::Tensor> rows = {row};
  for (int64_t other = 1; other < world(); ++other) {
    rows.push_back(at::empty({counts[static_cast<size_t>(other)]}, row.options()));
    if (absl::Status got = sockets_.Receive(other, rows.back().mutable_data_ptr(), rows.back().nbytes()); !got.ok()) {
      return got;
    }
  }
  return rows;
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
