#include "model/plain/decoder/taehv.h"

#include <ATen/ops/cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "model/load/decoders.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/weights/safetensors_writer.h"
#include "parity/fill_rule.h"
#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

constexpr int64_t kLatentChannels = 16;

class Taehv : public ::testing::Test {
 protected:
  Taehv() {
    rows_ = TaehvDecoderTable(kLatentChannels, &decoder_);
    for (const WeightRow& row : TaehvEncoderTable(kLatentChannels, &encoder_)) rows_.push_back(row);
    FillByRule(rows_);
  }
  at::Tensor Golden(const std::string& name) { return ReadTensor(golden_, name); }

  SafetensorsReader golden_ = OpenFile("tests/golden/taehv.safetensors");
  TaehvDecoderWeights decoder_;
  TaehvEncoderWeights encoder_;
  std::vector<WeightRow> rows_;
};

TEST_F(Taehv, HasTheReferencesTensors) {
  int64_t parameters = 0;
  for (const WeightRow& row : rows_) parameters += row.destination->numel();
  EXPECT_EQ(rows_.size(), 128);
  EXPECT_EQ(parameters, 11'315'539);
}

TEST_F(Taehv, ServesChunksFromAModelFolder) {
  std::map<std::string, TensorEntry> entries;
  for (const WeightRow& row : rows_) entries[row.name] = TensorEntryOf(*row.destination).value();
  ASSERT_TRUE(WriteSafetensors(::testing::TempDir() + "/taehv.safetensors", entries, {}).ok());
  const auto decoder =
      LoadVideoDecoder(::testing::TempDir(), {.kind = DecoderKind::kTaehv, .file = "taehv.safetensors"},
                       {.latent_height = 2, .latent_width = 3})
          .value();
  // Nine memory blocks: three each of 256 channels at 2x3, 128 at 4x6 and 64 at 8x12.
  EXPECT_EQ(decoder->state_bytes(), 4 * 3 * (256 * 6 + 128 * 24 + 64 * 96));
  DecoderState state = decoder->NewState();
  const at::Tensor latents = Golden("in.latents");
  const at::Tensor first = *decoder->Decode(latents.narrow(0, 0, 3), state);
  const at::Tensor second = *decoder->Decode(latents.narrow(0, 3, 1), state);
  EXPECT_EQ(first.size(0), 9);
  EXPECT_LE(WorstError(at::cat({first, second}), Golden("out.pixels")), 1e-4);
  EXPECT_EQ(state.bytes(), decoder->state_bytes());
}

TEST_F(Taehv, RepeatsTheLastFrameWhenFramesAreNoMultipleOfFour) {
  const at::Tensor pixels = Golden("in.pixels").unsqueeze(0).narrow(1, 0, 6);
  const at::Tensor last = pixels.narrow(1, 5, 1);
  EXPECT_LE(WorstError(EncodeTaehv(encoder_, pixels), EncodeTaehv(encoder_, at::cat({pixels, last, last}, 1))), 1e-6);
}

}  // namespace
}  // namespace videodiffcr
