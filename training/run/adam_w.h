// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) and clipping
// of the gradient's norm.
#ifndef VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
#define VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/parallel/gradient_exchange.h"

namespace videodiffcr::training {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1;  // of the whole gradient
};

class AdamW {
 public:
  // `parameters`: rows whose tensors live as long as this object; their gradients are wanted from now on. `exchange`
  // lives as long, too.
  AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options,
        GradientExchange* exchange = SingleProcess::Instance());

  // One update from the gradients that backward() left at all ranks, which are averaged, and dropped then. `update`
  // counts from 0 and corrects the running means for their start. Returns the gradient's norm before clipping. When
  // that is not finite: InternalError naming a parameter, and nothing is changed. Errors of the exchange as they are.
  absl::StatusOr<double> Update(double learning_rate, int64_t update);

  // The running means, named PREFIX.mean.<parameter> and PREFIX.square.<parameter>, for a checkpoint.
  std::vector<WeightRow> State(const std::string& prefix);

 private:
  // The parameters that have a gradient, as the lists that fused operators take.
  struct Lists {
    std::vector<size_t> rows;  // places in parameters_
    std::vector<at::Tensor> weights, gradients, means, squares;
  };
  Lists RowsWithGradient() const;
  absl::StatusOr<double> GradientNorm(const Lists& lists) const;

  const std::vector<WeightRow> parameters_;
  const AdamWOptions options_;
  GradientExchange* const exchange_;
  std::vector<at::Tensor> means_, squares_;  // one per parameter, its shape
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
