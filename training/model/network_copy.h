// Copies of a network: of another type to compute with, or of its own to go another way.
#ifndef VIDEODIFFCR_TRAINING_MODEL_NETWORK_COPY_H_
#define VIDEODIFFCR_TRAINING_MODEL_NETWORK_COPY_H_

#include <c10/core/ScalarType.h>

#include "model/plain/transformer/diffusion_transformer.h"

namespace videodiffcr::training {

// The same network in another type, for computing: gradients reach the weights of `model`. Routers stay as they are,
// and shared: scores are fp32 in every pass.
DiffusionTransformer CastTransformer(const DiffusionTransformer& model, at::ScalarType dtype);

// A network of its own, routers too: tensors that are shared with nobody and carry no gradients.
DiffusionTransformer CloneTransformer(const DiffusionTransformer& model);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_NETWORK_COPY_H_
