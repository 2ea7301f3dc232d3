// How far two sets of clips are apart as distributions (Heusel and others, "GANs trained by a two time-scale update
// rule", 2017, equation 6), over the classifier's features instead of Inception's.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_

#include <ATen/core/Tensor.h>

namespace videodiffcr::training {

// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2) of the means and covariances of two sets, [clips, features] each, at least
// two clips. Falls with the number of clips: compare at equal numbers only.
double FrechetDistance(const at::Tensor& first, const at::Tensor& second);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_
