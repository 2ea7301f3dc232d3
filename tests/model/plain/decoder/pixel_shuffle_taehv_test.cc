#include "model/plain/decoder/pixel_shuffle_taehv.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/mse_loss.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr char kTinyFile[] = "tests/golden/tiny/autoencoder.safetensors";
constexpr char kGoldenFile[] = "tests/golden/tiny/rollout.safetensors";

PixelShuffleDecoderWeights TinyDecoder() { return LoadPixelShuffleDecoder(OpenFile(kTinyFile)).value(); }
PixelShuffleEncoderWeights TinyEncoder() { return LoadPixelShuffleEncoder(OpenFile(kTinyFile)).value(); }
// [1, 18, 16, 12, 20]
at::Tensor GoldenLatents() { return ReadTensor(OpenFile(kGoldenFile), "out.latents").unsqueeze(0); }
// [33, 3, 96, 160], 0 to 255
at::Tensor GoldenFrames() { return ReadTensor(OpenFile(kGoldenFile), "out.frames_u8").to(at::kFloat); }

TEST(PixelShuffleTaehv, DecodesTheReferenceFramesToOneStepOf255) {
  std::vector<at::Tensor> memories;
  const at::Tensor pixels = DecodePixelShuffleTaehv(TinyDecoder(), GoldenLatents().narrow(1, 0, 9), &memories)[0];
  const at::Tensor bytes = (pixels.slice(0, 3).clamp(0, 1) * 255).round();
  EXPECT_LE(WorstError(bytes, GoldenFrames()), 1.0);
}

TEST(PixelShuffleTaehv, GoesOnWhereThePreviousCallStopped) {
  const PixelShuffleDecoderWeights weights = TinyDecoder();
  const at::Tensor latents = GoldenLatents().narrow(1, 0, 6);
  std::vector<at::Tensor> whole, parts;
  const at::Tensor expected = DecodePixelShuffleTaehv(weights, latents, &whole);
  const at::Tensor first = DecodePixelShuffleTaehv(weights, latents.narrow(1, 0, 1), &parts);
  const at::Tensor rest = DecodePixelShuffleTaehv(weights, latents.narrow(1, 1, 5), &parts);
  EXPECT_LE(WorstError(at::cat({first, rest}, 1), expected), 1e-5);
}

TEST(PixelShuffleTaehv, NeedsItsMemories) {
  const PixelShuffleDecoderWeights weights = TinyDecoder();
  const at::Tensor latents = GoldenLatents().narrow(1, 0, 6);
  std::vector<at::Tensor> whole, forgotten;
  const at::Tensor expected = DecodePixelShuffleTaehv(weights, latents, &whole).narrow(1, 12, 12);
  EXPECT_GT(WorstError(DecodePixelShuffleTaehv(weights, latents.narrow(1, 3, 3), &forgotten), expected), 1e-2);
}

TEST(PixelShuffleTaehv, KeepsClipsOfABatchApart) {
  const PixelShuffleDecoderWeights weights = TinyDecoder();
  const at::Tensor clips = GoldenLatents()[0].unflatten(0, {2, 9}).narrow(1, 0, 2);
  std::vector<at::Tensor> both, alone;
  const at::Tensor batch = DecodePixelShuffleTaehv(weights, clips, &both);
  EXPECT_LE(WorstError(batch[1], DecodePixelShuffleTaehv(weights, clips.narrow(0, 1, 1), &alone)[0]), 1e-5);
}

TEST(PixelShuffleTaehv, EncodesFramesToLatentsThatDecodeToTheSameFrames) {
  const at::Tensor frames = (GoldenFrames() / 255).unsqueeze(0);
  const at::Tensor latents = EncodePixelShuffleTaehv(TinyEncoder(), frames);
  EXPECT_EQ(latents.sizes(), at::IntArrayRef({1, 9, 16, 12, 20}));
  std::vector<at::Tensor> memories;
  const at::Tensor again = DecodePixelShuffleTaehv(TinyDecoder(), latents, &memories).slice(1, 3);
  const double psnr = -10 * std::log10(at::mse_loss(again, frames).item<double>());
  EXPECT_GT(psnr, 30.0);
}

TEST(PixelShuffleTaehv, CarriesGradientsToEveryWeight) {
  PixelShuffleDecoderWeights decoder = TinyDecoder();
  PixelShuffleEncoderWeights encoder = TinyEncoder();
  const PixelShuffleTaehvSizes sizes;
  std::vector<WeightRow> rows = PixelShuffleDecoderTable(sizes, &decoder);
  for (const WeightRow& row : PixelShuffleEncoderTable(sizes, &encoder)) rows.push_back(row);
  for (const WeightRow& row : rows) row.destination->requires_grad_(true);
  std::vector<at::Tensor> memories;
  const at::Tensor frames = (GoldenFrames().narrow(0, 0, 5) / 255).unsqueeze(0);
  DecodePixelShuffleTaehv(decoder, EncodePixelShuffleTaehv(encoder, frames), &memories).square().sum().backward();
  for (const WeightRow& row : rows) EXPECT_GT(row.destination->grad().abs().sum().item<double>(), 0.0) << row.name;
}

TEST(PixelShuffleTaehv, ReadsItsWidthsFromTheFile) {
  const PixelShuffleTaehvSizes sizes = ReadPixelShuffleTaehvSizes(OpenFile(kTinyFile));
  EXPECT_THAT(sizes.decoder_dims, ::testing::ElementsAre(64, 48, 32));
  EXPECT_THAT(sizes.decoder_blocks, ::testing::ElementsAre(2, 2, 1));
  EXPECT_THAT(sizes.encoder_dims, ::testing::ElementsAre(32, 48, 64));
  EXPECT_THAT(sizes.encoder_blocks, ::testing::ElementsAre(1, 2));
}

TEST(PixelShuffleTaehv, NamesTheTensorThatAFileLacks) {
  EXPECT_THAT(LoadPixelShuffleDecoder(OpenFile("models/tiny/routers.safetensors")).status().message(),
              HasSubstr("decoder.conv_in.weight"));
}

}  // namespace
}  // namespace videodiffcr
