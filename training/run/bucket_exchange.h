// Gradients on their way to the processes that own them, bucket by bucket, while backward() still makes the rest.
#ifndef VIDEODIFFCR_TRAINING_RUN_BUCKET_EXCHANGE_H_
#define VIDEODIFFCR_TRAINING_RUN_BUCKET_EXCHANGE_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/bucket_layout.h"

namespace videodiffcr::training {

// A weight whose gradients are exchanged.
struct ExchangedRow {
  WeightRow row;
  bool late = false;  // the gradient is not whole before Finish()
};

// All elements of a dense tensor in the order in which they lie in memory; shares it.
at::Tensor InMemoryOrder(const at::Tensor& tensor);

// Buckets go in their order, at every rank alike: one waits until those before it are gone. So the rows should be in
// the order in which backward() is done with them.
class BucketExchange {
 public:
  // Tensor i of the layout is row i. The weights live as long as this object; one such object a weight.
  BucketExchange(std::vector<ExchangedRow> rows, const BucketLayout& layout, GradientExchange* exchange);
  ~BucketExchange();
  BucketExchange(const BucketExchange&) = delete;
  BucketExchange& operator=(const BucketExchange&) = delete;

  // From here to Finish() a gradient that backward() leaves is whole, but for those of late rows: its bucket goes as
  // soon as it has all of its gradients, from within backward(), and they are dropped.
  void Begin();

  struct Gradients {
    std::vector<at::Tensor> parts;  // [bucket]: this rank's part of the mean over the ranks
    std::vector<bool> present;      // [row]: whether it had a gradient at this rank; else zeros stand for it
  };
  // Sends what has not gone. No weight has a gradient then. An error of the exchange, also of what went before;
  // Internal when a gradient came again after it had gone.
  absl::StatusOr<Gradients> Finish();

 private:
  class Hook;

  void OnGradient(size_t row);
  void Send(size_t bucket);
  at::Tensor Pack(size_t bucket) const;
  at::Tensor FlatGradient(size_t row) const;
  void Reset();

  const std::vector<ExchangedRow> rows_;
  const BucketLayout& layout_;
  GradientExchange* const exchange_;
  std::vector<at::Tensor> hooked_;  // the weights as they were when they got their hooks

  bool begun_ = false;
  size_t next_ = 0;               // the bucket that goes next
  std::vector<int64_t> missing_;  // [bucket]: rows whose gradients have not come
  std::vector<bool> came_;        // [row]
  Gradients gradients_;
  absl::Status error_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_BUCKET_EXCHANGE_H_
