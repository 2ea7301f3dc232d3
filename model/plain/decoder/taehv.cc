#include "model/plain/decoder/taehv.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "model/weights/load_half.h"

namespace videodiffcr {
namespace {

// How many frames each stage makes of one, and how many it takes for one.
constexpr std::array<int64_t, 3> kGrowFactors = {1, 2, 2};
constexpr std::array<int64_t, 3> kPoolFactors = {2, 2, 1};
// Places of the stages' first layers in the reference's lists; a stage takes six places.
constexpr std::array<int64_t, 3> kDecoderPlaces = {3, 9, 15};
constexpr std::array<int64_t, 3> kEncoderPlaces = {2, 7, 12};

void AddBlocks(const std::string& half, int64_t place, int64_t channels, std::array<MemoryBlockWeights, 3>* blocks,
               std::vector<WeightRow>* rows) {
  for (size_t i = 0; i < blocks->size(); ++i) {
    AddMemoryBlock(absl::StrCat(half, place + static_cast<int64_t>(i)), {".conv.0", ".conv.2", ".conv.4"}, channels,
                   &(*blocks)[i], rows);
  }
}

}  // namespace

std::vector<WeightRow> TaehvDecoderTable(int64_t z_dim, TaehvDecoderWeights* weights) {
  std::vector<WeightRow> rows;
  AddConv("decoder.1", {kTaehvDecoderDims[0], z_dim, 3, 3}, true, &weights->conv_in, &rows);
  for (size_t i = 0; i < weights->stages.size(); ++i) {
    TaehvUpStage& stage = weights->stages[i];
    const int64_t dim = kTaehvDecoderDims[i];
    const int64_t next_dim = kTaehvDecoderDims[i < 2 ? i + 1 : 2];
    AddBlocks("decoder.", kDecoderPlaces[i], dim, &stage.blocks, &rows);
    rows.push_back({absl::StrCat("decoder.", kDecoderPlaces[i] + 4, ".conv.weight"),
                    {kGrowFactors[i] * dim, dim, 1, 1},
                    &stage.grow});
    AddConv(absl::StrCat("decoder.", kDecoderPlaces[i] + 5), {next_dim, dim, 3, 3}, false, &stage.conv, &rows);
  }
  AddConv("decoder.22", {3, kTaehvDecoderDims[2], 3, 3}, true, &weights->conv_out, &rows);
  return rows;
}

std::vector<WeightRow> TaehvEncoderTable(int64_t z_dim, TaehvEncoderWeights* weights) {
  constexpr int64_t dim = kTaehvEncoderDim;
  std::vector<WeightRow> rows;
  AddConv("encoder.0", {dim, 3, 3, 3}, true, &weights->conv_in, &rows);
  for (size_t i = 0; i < weights->stages.size(); ++i) {
    TaehvDownStage& stage = weights->stages[i];
    rows.push_back(
        {absl::StrCat("encoder.", kEncoderPlaces[i], ".conv.weight"), {dim, kPoolFactors[i] * dim, 1, 1}, &stage.pool});
    AddConv(absl::StrCat("encoder.", kEncoderPlaces[i] + 1), {dim, dim, 3, 3}, false, &stage.conv, &rows);
    AddBlocks("encoder.", kEncoderPlaces[i] + 2, dim, &stage.blocks, &rows);
  }
  AddConv("encoder.17", {z_dim, dim, 3, 3}, true, &weights->conv_out, &rows);
  return rows;
}

absl::StatusOr<TaehvDecoderWeights> LoadTaehvDecoder(const SafetensorsReader& reader, int64_t z_dim,
                                                     const WeightOptions& options) {
  return LoadHalf<TaehvDecoderWeights>(reader, options, "encoder.",
                                       [&](auto* weights) { return TaehvDecoderTable(z_dim, weights); });
}

at::Tensor DecodeTaehv(const TaehvDecoderWeights& weights, const at::Tensor& latents,
                       std::vector<at::Tensor>* memories) {
  memories->resize(weights.stages.size() * 3);
  at::Tensor* memory = memories->data();
  at::Tensor x = at::relu(FrameConv(3 * at::tanh(latents / 3), weights.conv_in));
  for (size_t i = 0; i < weights.stages.size(); ++i) {
    const TaehvUpStage& stage = weights.stages[i];
    for (const MemoryBlockWeights& block : stage.blocks) x = MemoryBlock(block, x, memory++);
    // The reference doubles the size first; a 1x1 convolution does not care, and costs a quarter on the small side.
    x = UpsampleNearest(GrowFrames(x, stage.grow, kGrowFactors[i]));
    x = FrameConv(x, stage.conv);
  }
  return FrameConv(at::relu(x), weights.conv_out);
}

at::Tensor EncodeTaehv(const TaehvEncoderWeights& weights, const at::Tensor& pixels) {
  const int64_t frames = pixels.size(1);
  const int64_t missing = (kTaehvFramesPerLatent - frames % kTaehvFramesPerLatent) % kTaehvFramesPerLatent;
  const at::Tensor tail = pixels.narrow(1, frames - 1, 1).expand({-1, missing, -1, -1, -1});
  at::Tensor x = at::relu(FrameConv(at::cat({pixels, tail}, 1), weights.conv_in));
  for (size_t i = 0; i < weights.stages.size(); ++i) {
    const TaehvDownStage& stage = weights.stages[i];
    x = FrameConv(PoolFrames(x, stage.pool, kPoolFactors[i]), stage.conv, /*stride=*/2);
    for (const MemoryBlockWeights& block : stage.blocks) {
      at::Tensor memory;
      x = MemoryBlock(block, x, &memory);
    }
  }
  return FrameConv(x, weights.conv_out);
}

}  // namespace videodiffcr
