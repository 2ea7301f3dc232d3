// What weights are before training, drawn from a seed (tiny_recipe.md section 5, videodiffcr.md section 2.2).
#ifndef VIDEODIFFCR_TRAINING_MODEL_INITIAL_WEIGHTS_H_
#define VIDEODIFFCR_TRAINING_MODEL_INITIAL_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/weights/weight_table.h"

namespace videodiffcr::training {

// Linear layers Xavier uniform with bias 0, time layers 0.02, modulation 1 / sqrt(D), head 0, norms 1.
void InitializeTransformer(const std::vector<WeightRow>& rows, int64_t dim, uint64_t seed, at::Device device);

// Embedding 1, queries (D d)^-1/2, the others by their inputs, norms 1.
void InitializeTextEncoder(const std::vector<WeightRow>& rows, const TextEncoderConfig& config, uint64_t seed,
                           at::Device device);

// Near-uniform scores: see the reference for why they are not zero.
void InitializeRouters(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device);

// Light bypasses without effect: `up` is 0, `down` drawn.
void InitializeBypass(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device);

// Uniform in +-1/sqrt(inputs), weights and biases; batch norms 1 and 0.
void InitializeConvolutions(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_INITIAL_WEIGHTS_H_
