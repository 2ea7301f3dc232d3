// Least squares on more rows than fit in memory: sums of products, solved at the end.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_LEAST_SQUARES_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_LEAST_SQUARES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace videodiffcr::training {

class LeastSquares {
 public:
  LeastSquares(int64_t features, at::Device device);

  // Rows [..., features] and what each is to give, [...].
  void Add(const at::Tensor& features, const at::Tensor& target);
  // The weights [features], fp32 on the processor; a little ridge keeps features that say the same apart.
  at::Tensor Solve() const;
  // The share of the targets' squares that `weights` account for on these rows: 1 all, 0 none, below 0 worse than none.
  double Explained(const at::Tensor& weights) const;

 private:
  at::Tensor square_;   // fp64 [features, features]
  at::Tensor right_;    // fp64 [features]
  at::Tensor targets_;  // fp64, the sum of their squares
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_LEAST_SQUARES_H_
