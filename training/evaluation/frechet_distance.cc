#include "training/evaluation/frechet_distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/matmul.h>

namespace videodiffcr::training {
namespace {

struct Gaussian {
  at::Tensor mean;        // [features]
  at::Tensor covariance;  // [features, features]
};

Gaussian Fit(const at::Tensor& samples) {
  const at::Tensor x = samples.to(at::kDouble).cpu();
  const at::Tensor mean = x.mean(0);
  const at::Tensor centred = x - mean;
  return {mean, at::matmul(centred.t(), centred) / static_cast<double>(x.size(0) - 1)};
}

// Of a symmetric matrix without negative eigenvalues but for rounding.
at::Tensor SquareRoot(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::matmul(vectors * values.clamp_min(0).sqrt(), vectors.t());
}

}  // namespace

double FrechetDistance(const at::Tensor& first, const at::Tensor& second) {
  const Gaussian a = Fit(first), b = Fit(second);
  // (C1 C2)^1/2 has the trace of (C1^1/2 C2 C1^1/2)^1/2, which is symmetric.
  const at::Tensor root = SquareRoot(a.covariance);
  const at::Tensor product = at::matmul(at::matmul(root, b.covariance), root);
  const double cross = at::linalg_eigvalsh(product).clamp_min(0).sqrt().sum().item<double>();
  return (a.mean - b.mean).square().sum().item<double>() + a.covariance.trace().item<double>() +
         b.covariance.trace().item<double>() - 2 * cross;
}

}  // namespace videodiffcr::training
