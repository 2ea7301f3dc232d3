// Weights of the right shapes and of plausible sizes, for measuring speed and comparing implementations where no
// trained ones are at hand.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_RANDOM_WEIGHTS_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_RANDOM_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "model/weights/weight_table.h"

namespace videodiffcr {

// Fills every row's tensor, made on the options' device in its type. Matrices and kernels: normal with a variance of
// 1 / inputs, so that activations keep their size from layer to layer; gains of norms (vectors whose name says "norm"
// or "gamma"): near 1; biases and other vectors: small. The same seed and device give the same numbers. Sets the seed
// of Torch's generators.
void FillRandomWeights(const std::vector<WeightRow>& rows, uint64_t seed, const WeightOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_RANDOM_WEIGHTS_H_
