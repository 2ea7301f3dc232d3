#include "model/plain/decoder/pixel_shuffle_taehv.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pixel_shuffle.h>
#include <ATen/ops/pixel_unshuffle.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/weights/load_half.h"

namespace videodiffcr {
namespace {

constexpr int64_t kPatch = 2;  // pixel shuffle each way
constexpr int64_t kPatchChannels = 3 * kPatch * kPatch;
// A file may name more blocks than any network of this kind has; reading stops there and the table names the rest.
constexpr int64_t kMaxBlocks = 64;

void AddStage(const std::string& name, int64_t blocks, int64_t channels, std::vector<MemoryBlockWeights>* stage,
              std::vector<WeightRow>* rows) {
  stage->resize(blocks);
  for (int64_t i = 0; i < blocks; ++i) {
    AddMemoryBlock(absl::StrCat(name, ".", i), {".a", ".b", ".c"}, channels, &(*stage)[i], rows);
  }
}

// Reads one dimension of a 2-D convolution's weight, if it is there.
void ReadChannels(const SafetensorsReader& reader, const std::string& name, size_t dimension, int64_t* channels) {
  const absl::StatusOr<TensorEntry> entry = reader.Find(name);
  if (entry.ok() && entry->shape.size() == 4) *channels = entry->shape[dimension];
}

int64_t CountBlocks(const SafetensorsReader& reader, const std::string& stage) {
  int64_t blocks = 0;
  while (blocks < kMaxBlocks && reader.tensors().count(absl::StrCat(stage, ".", blocks, ".a.weight")) > 0) ++blocks;
  return blocks;
}

at::Tensor RunStage(const std::vector<MemoryBlockWeights>& stage, at::Tensor x, at::Tensor* memories) {
  for (const MemoryBlockWeights& block : stage) x = MemoryBlock(block, x, memories++);
  return x;
}

}  // namespace

std::vector<WeightRow> PixelShuffleDecoderTable(const PixelShuffleTaehvSizes& sizes,
                                                PixelShuffleDecoderWeights* weights) {
  const auto& [small, middle, large] = sizes.decoder_dims;
  std::vector<WeightRow> rows;
  AddConv("decoder.conv_in", {small, sizes.z_dim, 3, 3}, true, &weights->conv_in, &rows);
  for (size_t i = 0; i < weights->stages.size(); ++i) {
    AddStage(absl::StrCat("decoder.stage", i), sizes.decoder_blocks[i], sizes.decoder_dims[i], &weights->stages[i],
             &rows);
  }
  AddConv("decoder.up1", {middle, small, 3, 3}, false, &weights->up1, &rows);
  AddConv("decoder.up2", {large, middle, 3, 3}, false, &weights->up2, &rows);
  rows.push_back({"decoder.grow1.weight", {2 * middle, middle, 1, 1}, &weights->grow1});
  rows.push_back({"decoder.grow2.weight", {2 * large, large, 1, 1}, &weights->grow2});
  AddConv("decoder.conv_pre", {large, large, 3, 3}, false, &weights->conv_pre, &rows);
  AddConv("decoder.conv_out", {kPatchChannels, large, 3, 3}, true, &weights->conv_out, &rows);
  return rows;
}

std::vector<WeightRow> PixelShuffleEncoderTable(const PixelShuffleTaehvSizes& sizes,
                                                PixelShuffleEncoderWeights* weights) {
  const auto& [large, middle, small] = sizes.encoder_dims;
  std::vector<WeightRow> rows;
  AddConv("encoder.conv_in", {large, kPatchChannels, 3, 3}, true, &weights->conv_in, &rows);
  rows.push_back({"encoder.pool1.weight", {large, 2 * large, 1, 1}, &weights->pool1});
  AddConv("encoder.down1", {middle, large, 3, 3}, false, &weights->down1, &rows);
  AddStage("encoder.stage1", sizes.encoder_blocks[0], middle, &weights->stages[0], &rows);
  rows.push_back({"encoder.pool2.weight", {middle, 2 * middle, 1, 1}, &weights->pool2});
  AddConv("encoder.down2", {small, middle, 3, 3}, false, &weights->down2, &rows);
  AddStage("encoder.stage2", sizes.encoder_blocks[1], small, &weights->stages[1], &rows);
  AddConv("encoder.conv_out", {sizes.z_dim, small, 3, 3}, true, &weights->conv_out, &rows);
  return rows;
}

PixelShuffleTaehvSizes ReadPixelShuffleTaehvSizes(const SafetensorsReader& reader, const std::string& prefix) {
  PixelShuffleTaehvSizes sizes;
  const std::pair<const char*, int64_t*> widths[] = {
      {"encoder.conv_out", &sizes.z_dim},          {"decoder.conv_in", &sizes.decoder_dims[0]},
      {"decoder.up1", &sizes.decoder_dims[1]},     {"decoder.up2", &sizes.decoder_dims[2]},
      {"encoder.conv_in", &sizes.encoder_dims[0]}, {"encoder.down1", &sizes.encoder_dims[1]},
      {"encoder.down2", &sizes.encoder_dims[2]}};
  for (const auto& [name, width] : widths) ReadChannels(reader, absl::StrCat(prefix, name, ".weight"), 0, width);
  ReadChannels(reader, prefix + "decoder.conv_in.weight", 1, &sizes.z_dim);
  for (size_t i = 0; i < sizes.decoder_blocks.size(); ++i) {
    sizes.decoder_blocks[i] = CountBlocks(reader, absl::StrCat(prefix, "decoder.stage", i));
  }
  for (size_t i = 0; i < sizes.encoder_blocks.size(); ++i) {
    sizes.encoder_blocks[i] = CountBlocks(reader, absl::StrCat(prefix, "encoder.stage", i + 1));
  }
  return sizes;
}

absl::StatusOr<PixelShuffleDecoderWeights> LoadPixelShuffleDecoder(const SafetensorsReader& reader,
                                                                   const WeightOptions& options) {
  const PixelShuffleTaehvSizes sizes = ReadPixelShuffleTaehvSizes(reader, options.prefix);
  return LoadHalf<PixelShuffleDecoderWeights>(reader, options, "encoder.",
                                              [&](auto* weights) { return PixelShuffleDecoderTable(sizes, weights); });
}

absl::StatusOr<PixelShuffleEncoderWeights> LoadPixelShuffleEncoder(const SafetensorsReader& reader,
                                                                   const WeightOptions& options) {
  const PixelShuffleTaehvSizes sizes = ReadPixelShuffleTaehvSizes(reader, options.prefix);
  return LoadHalf<PixelShuffleEncoderWeights>(reader, options, "decoder.",
                                              [&](auto* weights) { return PixelShuffleEncoderTable(sizes, weights); });
}

at::Tensor DecodePixelShuffleTaehv(const PixelShuffleDecoderWeights& weights, const at::Tensor& latents,
                                   std::vector<at::Tensor>* memories) {
  const auto& [small, middle, large] = weights.stages;
  memories->resize(small.size() + middle.size() + large.size());
  at::Tensor* memory = memories->data();
  at::Tensor x = at::relu(FrameConv(3 * at::tanh(latents / 3), weights.conv_in));
  x = RunStage(small, x, memory);
  x = FrameConv(UpsampleNearest(x), weights.up1);
  x = RunStage(middle, x, memory + small.size());
  x = FrameConv(UpsampleNearest(GrowFrames(x, weights.grow1, 2)), weights.up2);
  x = RunStage(large, x, memory + small.size() + middle.size());
  x = at::relu(FrameConv(GrowFrames(x, weights.grow2, 2), weights.conv_pre));
  return at::pixel_shuffle(FrameConv(x, weights.conv_out), kPatch);
}

at::Tensor EncodePixelShuffleTaehv(const PixelShuffleEncoderWeights& weights, const at::Tensor& pixels) {
  std::vector<at::Tensor> memories(weights.stages[0].size() + weights.stages[1].size());
  // The first latent frame stands for the first pixel frame alone, shown as often as a latent frame has pixel frames.
  const at::Tensor head = pixels.narrow(1, 0, 1).expand({-1, kPixelShuffleFramesPerLatent - 1, -1, -1, -1});
  at::Tensor x = at::pixel_unshuffle(at::cat({head, pixels}, 1), kPatch);
  x = at::relu(FrameConv(x, weights.conv_in));
  x = FrameConv(PoolFrames(x, weights.pool1, 2), weights.down1, /*stride=*/2);
  x = RunStage(weights.stages[0], x, memories.data());
  x = FrameConv(PoolFrames(x, weights.pool2, 2), weights.down2, /*stride=*/2);
  x = RunStage(weights.stages[1], x, memories.data() + weights.stages[0].size());
  return FrameConv(x, weights.conv_out);
}

}  // namespace videodiffcr
