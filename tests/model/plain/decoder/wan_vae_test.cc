#include "model/plain/decoder/wan_vae.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "model/load/decoders.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/weights/safetensors_writer.h"
#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// As the golden file's metadata says.
DecoderConfig SmallConfig() { return {.kind = DecoderKind::kWanVae, .file = "wan_vae.safetensors", .base_dim = 8}; }

class WanVae : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<WeightRow> rows = WanVaeDecoderTable(SmallConfig(), &decoder_);
    for (const WeightRow& row : WanVaeEncoderTable(SmallConfig(), &encoder_)) rows.push_back(row);
    ASSERT_TRUE(LoadWeightTable(golden_, rows, {.prefix = "weights."}).ok());
  }
  at::Tensor Golden(const std::string& name) { return ReadTensor(golden_, name); }
  at::Tensor Latents(int64_t first, int64_t frames) { return Golden("in.latents").narrow(0, first, frames); }

  SafetensorsReader golden_ = OpenFile("tests/golden/wan_vae.safetensors");
  WanVaeDecoderWeights decoder_;
  WanVaeEncoderWeights encoder_;
};

TEST_F(WanVae, DecodesAsTheReferenceImplementation) {
  WanVaeDecoderState state;
  EXPECT_LE(WorstError(DecodeWanVae(decoder_, Golden("in.latents"), &state), Golden("out.pixels")), 1e-4);
}

TEST_F(WanVae, EncodesAsTheReferenceImplementation) {
  EXPECT_LE(WorstError(EncodeWanVae(encoder_, Golden("in.pixels")), Golden("out.encoded")), 1e-4);
}

TEST_F(WanVae, DecodesChunkByChunkTheSameBitsAsTheWholeLatent) {
  WanVaeDecoderState whole, parts;
  const at::Tensor expected = DecodeWanVae(decoder_, Golden("in.latents"), &whole);
  const at::Tensor first = DecodeWanVae(decoder_, Latents(0, 3), &parts);
  const at::Tensor second = DecodeWanVae(decoder_, Latents(3, 3), &parts);
  EXPECT_EQ(first.size(0), 9);
  EXPECT_EQ(second.size(0), 12);
  EXPECT_TRUE(at::equal(at::cat({first, second}), expected));
}

TEST_F(WanVae, DoesNotMatchWhenTheFirstLatentPassesTheTemporalUpsamplers) {
  WanVaeDecoderState zero_caches{.histories = {}, .started = true};
  const at::Tensor pixels = DecodeWanVae(decoder_, Golden("in.latents"), &zero_caches);
  ASSERT_EQ(pixels.size(0), 24);
  for (int64_t frame = 0; frame < 21; ++frame) {
    EXPECT_GT(WorstError(pixels[frame + 3], Golden("out.pixels")[frame]), 1e-4) << frame;
  }
}

TEST_F(WanVae, CarriesAsManyHistoriesOfTheShapesItSays) {
  const std::vector<std::vector<int64_t>> shapes = WanVaeHistoryShapes(decoder_, 2, 3);
  EXPECT_EQ(shapes.size(), 32);
  WanVaeDecoderState state;
  DecodeWanVae(decoder_, Latents(0, 3), &state);
  ASSERT_EQ(state.histories.size(), shapes.size());
  for (size_t i = 0; i < shapes.size(); ++i) EXPECT_EQ(state.histories[i].sizes(), at::IntArrayRef(shapes[i])) << i;
}

TEST_F(WanVae, CarriesTheReferencesElementsAtFullSize) {
  WanVaeDecoderWeights full;
  for (const WeightRow& row : WanVaeDecoderTable({.kind = DecoderKind::kWanVae}, &full)) {
    *row.destination = at::zeros({1}).expand(row.shape);
  }
  int64_t elements = 0;
  for (const std::vector<int64_t>& shape : WanVaeHistoryShapes(full, 60, 104)) {
    int64_t size = 1;
    for (int64_t extent : shape) size *= extent;
    elements += size;
  }
  EXPECT_EQ(elements, 944'286'720);
}

TEST_F(WanVae, HasTheReferencesTensorsAtFullSize) {
  WanVaeDecoderWeights decoder;
  WanVaeEncoderWeights encoder;
  std::vector<WeightRow> rows = WanVaeDecoderTable({.kind = DecoderKind::kWanVae}, &decoder);
  for (const WeightRow& row : WanVaeEncoderTable({.kind = DecoderKind::kWanVae}, &encoder)) rows.push_back(row);
  int64_t parameters = 0;
  for (const WeightRow& row : rows) {
    int64_t size = 1;
    for (int64_t extent : row.shape) size *= extent;
    parameters += size;
  }
  EXPECT_EQ(rows.size(), 194);
  EXPECT_EQ(parameters, 126'892'531);
}

TEST_F(WanVae, ServesChunksFromAModelFolder) {
  std::map<std::string, TensorEntry> entries;
  for (const auto& [name, entry] : golden_.tensors()) {
    if (name.rfind("weights.", 0) == 0) entries[name.substr(8)] = entry;
  }
  ASSERT_TRUE(WriteSafetensors(::testing::TempDir() + "/wan_vae.safetensors", entries, {}).ok());
  const auto decoder =
      LoadVideoDecoder(::testing::TempDir(), SmallConfig(), {.latent_height = 2, .latent_width = 3}).value();
  DecoderState state = decoder->NewState();
  EXPECT_EQ(state.bytes(), decoder->state_bytes());
  const at::Tensor first = *decoder->Decode(Latents(0, 3), state);
  const at::Tensor second = *decoder->Decode(Latents(3, 3), state);
  EXPECT_LE(WorstError(at::cat({first, second}), ((Golden("out.pixels") + 1) / 2).clamp(0, 1)), 1e-4);
  EXPECT_EQ(state.bytes(), decoder->state_bytes());
  for (const at::Tensor& tensor : state.carried) EXPECT_EQ(tensor.storage().nbytes(), tensor.nbytes());
  decoder->StartScene(state);
  EXPECT_TRUE(at::equal(*decoder->Decode(Latents(0, 3), state), first));
}

TEST_F(WanVae, CarriesGradientsToEveryWeight) {
  std::vector<WeightRow> rows = WanVaeDecoderTable(SmallConfig(), &decoder_);
  for (const WeightRow& row : rows) row.destination->requires_grad_(true);
  WanVaeDecoderState state;
  DecodeWanVae(decoder_, Latents(0, 3), &state).square().sum().backward();
  for (const WeightRow& row : rows) EXPECT_TRUE(row.destination->grad().defined()) << row.name;
}

TEST_F(WanVae, RefusesAConfigThatIsNoWanVae) {
  DecoderConfig config = SmallConfig();
  config.dim_mult = {1, 2, 4};
  EXPECT_THAT(CheckWanVaeConfig(config).message(), HasSubstr("decoder.dim_mult: 3 numbers"));
  config = SmallConfig();
  config.z_dim = 8;
  EXPECT_THAT(CheckWanVaeConfig(config).message(), HasSubstr("decoder.z_dim: 8"));
  config = SmallConfig();
  config.base_dim = 7;
  config.dim_mult = {1, 1, 2, 4};
  EXPECT_THAT(CheckWanVaeConfig(config).message(), HasSubstr("must be even"));
}

}  // namespace
}  // namespace videodiffcr
