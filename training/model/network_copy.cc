#include "training/model/network_copy.h"

#include <ATen/core/Tensor.h>

#include "model/weights/weight_table.h"

namespace videodiffcr::training {

DiffusionTransformer CastTransformer(const DiffusionTransformer& model, at::ScalarType dtype) {
  DiffusionTransformer cast = model;
  for (const WeightRow& row : TransformerWeightTable(cast.config, &cast.weights)) {
    *row.destination = row.destination->to(dtype);
  }
  return cast;
}

DiffusionTransformer CloneTransformer(const DiffusionTransformer& model) {
  DiffusionTransformer clone = model;
  for (const WeightRow& row : TransformerWeightTable(clone.config, &clone.weights)) {
    *row.destination = row.destination->detach().clone();
  }
  for (BlockWeights& block : clone.weights.blocks) {
    if (!block.router) continue;
    for (at::Tensor* tensor :
         {&block.router->down.weight, &block.router->down.bias, &block.router->mix, &block.router->score}) {
      *tensor = tensor->detach().clone();
    }
  }
  return clone;
}

}  // namespace videodiffcr::training
