#include "training/model/network_copy.h"

#include <ATen/core/Tensor.h>

#include <vector>

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
    std::vector<at::Tensor*> tensors;
    if (block.router) {
      tensors = {&block.router->down.weight, &block.router->down.bias, &block.router->mix, &block.router->score};
    }
    if (block.bypass) tensors.insert(tensors.end(), {&block.bypass->down, &block.bypass->up});
    for (at::Tensor* tensor : tensors) *tensor = tensor->detach().clone();
  }
  return clone;
}

}  // namespace videodiffcr::training
