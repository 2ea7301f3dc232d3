// The tensors that belong to a run, for its checkpoints: held whole by every process, or shared out among them.
#ifndef VIDEODIFFCR_TRAINING_RUN_STATE_ROW_H_
#define VIDEODIFFCR_TRAINING_RUN_STATE_ROW_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "model/weights/weight_table.h"

namespace videodiffcr::training {

// Tensors of which every rank holds a part.
class SharedOutTensors {
 public:
  virtual ~SharedOutTensors() = default;

  // Every rank calls, for the same tensors in the same order. At rank 0 tensor `index`, whole and on the CPU; undefined
  // at the others.
  virtual absl::StatusOr<at::Tensor> Gather(size_t index) = 0;
  // Keeps this rank's part of tensor `index`. No rank waits for another.
  virtual void Keep(size_t index, const at::Tensor& whole) = 0;
};

struct StateRow {
  StateRow(WeightRow row)  // NOLINT: what is held whole is a row of weights
      : name(std::move(row.name)), shape(std::move(row.shape)), destination(row.destination) {}
  StateRow(std::string name, std::vector<int64_t> shape, at::Tensor* destination)
      : StateRow(WeightRow{std::move(name), std::move(shape), destination}) {}
  StateRow(std::string name, std::vector<int64_t> shape, SharedOutTensors* shared, size_t index)
      : name(std::move(name)), shape(std::move(shape)), shared(shared), index(index) {}

  std::string name;
  std::vector<int64_t> shape;
  at::Tensor* destination = nullptr;   // held whole, or
  SharedOutTensors* shared = nullptr;  // tensor `index` of these
  size_t index = 0;
};

// `rows` under `prefix` and a dot, for a checkpoint that holds several networks.
template <typename Row>
std::vector<Row> WithPrefix(const std::string& prefix, std::vector<Row> rows) {
  for (Row& row : rows) row.name = absl::StrCat(prefix, ".", row.name);
  return rows;
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_STATE_ROW_H_
