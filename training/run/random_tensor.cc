#include "training/run/random_tensor.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

namespace videodiffcr::training {
namespace {

at::Generator WeightGenerator(uint64_t seed, uint64_t index) {
  RandomStream stream(seed, DrawPurpose::kInitialWeights, index);
  return at::make_generator<at::CPUGeneratorImpl>(stream.Bits64());
}

// The shape of the whole batch, from that of a piece.
std::vector<int64_t> OfBatch(at::IntArrayRef shape, const BatchPiece& piece) {
  std::vector<int64_t> whole = shape.vec();
  whole[0] *= piece.count;
  return whole;
}

}  // namespace

StepRandom::StepRandom(uint64_t seed, int64_t step, at::Device device)
    : scalars_(seed, DrawPurpose::kStage, static_cast<uint64_t>(step)), device_(device) {}

at::Generator StepRandom::NextGenerator() {
  const uint64_t seed = scalars_.Bits64();
  if (device_.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>(seed);
  at::Generator generator =
      at::globalContext().getAcceleratorHooksInterface(device_.type()).getNewGenerator(device_.index());
  generator.set_current_seed(seed);
  return generator;
}

StepRandom StepRandom::ForPiece(const BatchPiece& piece) const {
  StepRandom of_piece = *this;
  of_piece.piece_ = piece;
  return of_piece;
}

at::Tensor StepRandom::Normal(at::IntArrayRef shape) {
  return piece_.Of(at::randn(OfBatch(shape, piece_), NextGenerator(), at::TensorOptions(at::kFloat).device(device_)));
}

at::Tensor StepRandom::Uniform(at::IntArrayRef shape) {
  return piece_.Of(at::rand(OfBatch(shape, piece_), NextGenerator(), at::TensorOptions(at::kFloat).device(device_)));
}

void FillNormalWeight(const WeightRow& row, double std, uint64_t seed, uint64_t index, at::Device device) {
  *row.destination =
      at::randn(row.shape, WeightGenerator(seed, index), at::TensorOptions(at::kFloat)).mul_(std).to(device);
}

void FillUniformWeight(const WeightRow& row, double bound, uint64_t seed, uint64_t index, at::Device device) {
  const at::Tensor unit = at::rand(row.shape, WeightGenerator(seed, index), at::TensorOptions(at::kFloat));
  *row.destination = (unit * (2 * bound)).sub_(bound).to(device);
}

void FillConstantWeight(const WeightRow& row, double value, at::Device device) {
  *row.destination = at::full(row.shape, value, at::TensorOptions(at::kFloat)).to(device);
}

}  // namespace videodiffcr::training
