// Exponential moving average of weights: what a stage ships instead of its last step.
#ifndef VIDEODIFFCR_TRAINING_RUN_WEIGHT_AVERAGE_H_
#define VIDEODIFFCR_TRAINING_RUN_WEIGHT_AVERAGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/weights/weight_table.h"

namespace videodiffcr::training {

class WeightAverage {
 public:
  // Starts as a copy of `rows`, whose tensors live as long as this object. `decay` is approached: after n updates it is
  // min(decay, (1 + n) / (10 + n)), so that the start is forgotten early.
  WeightAverage(std::vector<WeightRow> rows, double decay);

  void Update(int64_t update);

  // Puts the averages into `rows`, in the order of those that are averaged.
  void CopyTo(const std::vector<WeightRow>& rows) const;

  // Named PREFIX.<row>, for a checkpoint.
  std::vector<WeightRow> State(const std::string& prefix);
  // Named as the rows: what to write into a model folder.
  std::vector<WeightRow> Averaged();

 private:
  const std::vector<WeightRow> rows_;
  const double decay_;
  std::vector<at::Tensor> averages_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_WEIGHT_AVERAGE_H_
