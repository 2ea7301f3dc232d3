// How far two sets of clips are apart as distributions (Heusel and others, "GANs trained by a two time-scale update
// rule", 2017, equation 6), over the classifier's features instead of Inception's.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_

#include <ATen/core/Tensor.h>

namespace videodiffcr::training {

// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2) of the means and covariances of two sets, [clips, features] each, at least
// two clips. Falls with the number of clips: compare at equal numbers only.
double FrechetDistance(const at::Tensor& first, const at::Tensor& second);

// The distance as a mean over clips, so that it can be resampled like any other figure: the distance plus the influence
// of row i of both sets, its derivative by their weight (Hampel, "The influence curve and its role in robust
// estimation", 1974). [clips] in double on the CPU; the mean is the distance. Both sets have as many clips, row i of
// one belonging to row i of the other.
at::Tensor FrechetDistancePerClip(const at::Tensor& first, const at::Tensor& second);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_FRECHET_DISTANCE_H_
