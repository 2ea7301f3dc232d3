#include "training/students/least_squares.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

namespace videodiffcr::training {
namespace {

constexpr double kRidge = 1e-3;  // of the mean of the diagonal

}  // namespace

LeastSquares::LeastSquares(int64_t features, at::Device device) {
  const at::TensorOptions fp64 = at::TensorOptions(at::kDouble).device(device);
  square_ = at::zeros({features, features}, fp64);
  right_ = at::zeros({features}, fp64);
  targets_ = at::zeros({}, fp64);
}

void LeastSquares::Add(const at::Tensor& features, const at::Tensor& target) {
  const at::Tensor h = features.flatten(0, -2), t = target.flatten();
  square_ = square_ + at::matmul(h.t(), h).to(at::kDouble);
  right_ = right_ + at::matmul(h.t(), t).to(at::kDouble);
  targets_ = targets_ + t.to(at::kDouble).square().sum();
}

at::Tensor LeastSquares::Solve() const {
  const at::Tensor a = square_.cpu(), b = right_.cpu();
  const at::Tensor ridge = at::eye(a.size(0), a.options()) * (kRidge * a.diagonal().mean());
  return at::linalg_solve(a + ridge, b).to(at::kFloat);
}

// sum (w.h - t)^2 = w A w - 2 w b + sum t^2.
double LeastSquares::Explained(const at::Tensor& weights) const {
  const at::Tensor w = weights.to(square_.options());
  const at::Tensor left = at::dot(w, at::matmul(square_, w)) - 2 * at::dot(w, right_) + targets_;
  return 1 - (left / targets_).item<double>();
}

}  // namespace videodiffcr::training
