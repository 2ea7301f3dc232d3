// Random tensors of a training step, each named by (seed, step, draw): nothing carries over from step to step.
#ifndef VIDEODIFFCR_TRAINING_RUN_RANDOM_TENSOR_H_
#define VIDEODIFFCR_TRAINING_RUN_RANDOM_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/weights/weight_table.h"
#include "training/run/batch_piece.h"
#include "training/scenes/random_stream.h"

namespace videodiffcr::training {

// The tensors of one step, drawn in a fixed order on `device`. Its generator is the device's own: the same seed draws
// other numbers on a GPU than on a CPU.
class StepRandom {
 public:
  StepRandom(uint64_t seed, int64_t step, at::Device device);

  // What this would go on to draw, for one piece of the batch: the first dimension of its tensors is the piece's clips.
  // They are drawn for all clips of the batch, and are the piece's part of what a process alone would draw.
  StepRandom ForPiece(const BatchPiece& piece) const;

  at::Tensor Normal(at::IntArrayRef shape);   // fp32, standard normal
  at::Tensor Uniform(at::IntArrayRef shape);  // fp32, [0, 1)
  RandomStream& scalars() { return scalars_; }

 private:
  at::Generator NextGenerator();

  RandomStream scalars_;
  at::Device device_;
  BatchPiece piece_;
};

// Gives a row's tensor memory and draws N(0, std^2), U(-bound, bound), or one value everywhere. `index` names the row.
void FillNormalWeight(const WeightRow& row, double std, uint64_t seed, uint64_t index, at::Device device);
void FillUniformWeight(const WeightRow& row, double bound, uint64_t seed, uint64_t index, at::Device device);
void FillConstantWeight(const WeightRow& row, double value, at::Device device);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_RANDOM_TENSOR_H_
