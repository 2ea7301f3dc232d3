#include "training/evaluation/frechet_distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
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

// Its inverse square root; directions without any spread stay without any.
at::Tensor InverseSquareRoot(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  const at::Tensor spread = values.gt(1e-10 * values.max());
  return at::matmul(vectors * values.clamp_min(1e-300).rsqrt() * spread, vectors.t());
}

// What row i adds to the distance of `own` from `other`: the derivatives are 2 (m1 - m2) by the mean, and I - T by the
// covariance, with T the linear map that carries the one Gaussian to the other.
at::Tensor Influence(const at::Tensor& samples, const Gaussian& own, const Gaussian& other) {
  const at::Tensor root = SquareRoot(own.covariance), inverse = InverseSquareRoot(own.covariance);
  const at::Tensor middle = SquareRoot(at::matmul(at::matmul(root, other.covariance), root));
  const at::Tensor map = at::matmul(at::matmul(inverse, middle), inverse);
  const at::Tensor by_covariance = at::eye(map.size(0), map.options()) - map;
  const at::Tensor centred = samples.to(at::kDouble).cpu() - own.mean;
  const at::Tensor influence =
      2 * at::matmul(centred, own.mean - other.mean) + (at::matmul(centred, by_covariance) * centred).sum(1);
  return influence - influence.mean();
}

}  // namespace

at::Tensor FrechetDistancePerClip(const at::Tensor& first, const at::Tensor& second) {
  const Gaussian a = Fit(first), b = Fit(second);
  return Influence(first, a, b) + Influence(second, b, a) + FrechetDistance(first, second);
}

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
