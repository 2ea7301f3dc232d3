#include "model/plain/decoder/video_decoder.h"
#include "model/load/decoders.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

const VideoDecoderOptions kTinyLatents = {.latent_height = 12, .latent_width = 20};

// With the weights that the golden frames were made with; those of models/tiny move on.
std::unique_ptr<const VideoDecoder> TinyDecoder() {
  const ModelConfig config = LoadModelConfig(SourcePath("models/tiny")).value();
  return LoadVideoDecoder(SourcePath("tests/golden/tiny"), config.decoder, kTinyLatents).value();
}

// [frames, 16, 12, 20], the frames from `first` on.
at::Tensor GoldenLatents(int64_t first, int64_t frames) {
  return ReadTensor(OpenFile("tests/golden/tiny/rollout.safetensors"), "out.latents").narrow(0, first, frames);
}

TEST(VideoDecoder, GivesNineFramesForTheFirstChunkOfASceneAndTwelveForLaterOnes) {
  const auto decoder = TinyDecoder();
  DecoderState state = decoder->NewState();
  EXPECT_EQ(decoder->Decode(GoldenLatents(0, 3), state)->sizes(), at::IntArrayRef({9, 3, 96, 160}));
  EXPECT_EQ(decoder->Decode(GoldenLatents(3, 3), state)->sizes(), at::IntArrayRef({12, 3, 96, 160}));
  EXPECT_EQ(decoder->Decode(GoldenLatents(6, 3), state)->sizes(), at::IntArrayRef({12, 3, 96, 160}));
}

TEST(VideoDecoder, DecodesChunkByChunkTheReferenceFrames) {
  const auto decoder = TinyDecoder();
  DecoderState state = decoder->NewState();
  std::vector<at::Tensor> chunks;
  for (int64_t chunk = 0; chunk < 3; ++chunk) chunks.push_back(*decoder->Decode(GoldenLatents(3 * chunk, 3), state));
  const at::Tensor golden = ReadTensor(OpenFile("tests/golden/tiny/rollout.safetensors"), "out.frames_u8");
  EXPECT_LE(WorstError((at::cat(chunks) * 255).round(), golden.to(at::kFloat)), 1.0);
}

TEST(VideoDecoder, EqualsThePlainNetworkInDoublePrecision) {
  const ModelConfig config = LoadModelConfig(SourcePath("models/tiny")).value();
  VideoDecoderOptions options = kTinyLatents;
  options.dtype = at::kDouble;
  const auto fast = TinyDecoder();
  const auto plain = LoadVideoDecoder(SourcePath("tests/golden/tiny"), config.decoder, options).value();
  DecoderState fast_state = fast->NewState(), plain_state = plain->NewState();
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    const at::Tensor latents = GoldenLatents(3 * chunk, 3);
    // A tenth of a step of 255.
    EXPECT_LE(WorstError(*fast->Decode(latents, fast_state), *plain->Decode(latents, plain_state)), 4e-4) << chunk;
  }
}

TEST(VideoDecoder, GivesTheSameBitsWithOneThreadAndWithTwo) {
  const auto decoder = TinyDecoder();
  DecoderState one = decoder->NewState(), two = decoder->NewState();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor expected = *decoder->Decode(GoldenLatents(0, 3), one);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(*decoder->Decode(GoldenLatents(0, 3), two), expected));
  at::set_num_threads(threads);
}

TEST(VideoDecoder, GivesTheSameFramesInOneCallAndInThree) {
  const auto decoder = TinyDecoder();
  DecoderState whole = decoder->NewState(), parts = decoder->NewState();
  const at::Tensor expected = *decoder->Decode(GoldenLatents(0, 9), whole);
  std::vector<at::Tensor> chunks;
  for (int64_t chunk = 0; chunk < 3; ++chunk) chunks.push_back(*decoder->Decode(GoldenLatents(3 * chunk, 3), parts));
  EXPECT_LE(WorstError(at::cat(chunks), expected), 1e-5);
}

TEST(VideoDecoder, GivesASessionTheSameBitsWhateverOthersDo) {
  const auto decoder = TinyDecoder();
  DecoderState alone = decoder->NewState(), among = decoder->NewState(), other = decoder->NewState();
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    const at::Tensor expected = *decoder->Decode(GoldenLatents(3 * chunk, 3), alone);
    ASSERT_TRUE(decoder->Decode(GoldenLatents(9 - 3 * chunk, 3), other).ok());
    EXPECT_TRUE(at::equal(*decoder->Decode(GoldenLatents(3 * chunk, 3), among), expected));
  }
}

TEST(VideoDecoder, StartsANewSceneAsIfNothingHadBeen) {
  const auto decoder = TinyDecoder();
  DecoderState fresh = decoder->NewState(), used = decoder->NewState();
  ASSERT_TRUE(decoder->Decode(GoldenLatents(6, 3), used).ok());
  decoder->StartScene(used);
  EXPECT_TRUE(at::equal(*decoder->Decode(GoldenLatents(0, 3), used), *decoder->Decode(GoldenLatents(0, 3), fresh)));
}

TEST(VideoDecoder, KnowsTheBytesOfAStateBeforehand) {
  const auto decoder = TinyDecoder();
  // Inputs of 2 blocks of 64x12x20, 2 of 48x24x40 and 1 of 32x48x80, 4 bytes each.
  EXPECT_EQ(decoder->state_bytes(), 4 * (2 * 64 * 240 + 2 * 48 * 960 + 32 * 3840));
  DecoderState state = decoder->NewState();
  EXPECT_EQ(state.bytes(), decoder->state_bytes());
  ASSERT_TRUE(decoder->Decode(GoldenLatents(0, 3), state).ok());
  EXPECT_EQ(state.bytes(), decoder->state_bytes());
  for (const at::Tensor& tensor : state.carried) EXPECT_EQ(tensor.storage().nbytes(), tensor.nbytes());
}

TEST(VideoDecoder, RefusesLatentsOfAnotherShapeAndLeavesTheStateAlone) {
  const auto decoder = TinyDecoder();
  DecoderState state = decoder->NewState();
  for (const at::Tensor& bad : {at::zeros({3, 16, 12, 21}), at::zeros({3, 15, 12, 20}), at::zeros({0, 16, 12, 20}),
                                at::zeros({16, 12, 20}), at::Tensor()}) {
    const absl::Status status = decoder->Decode(bad, state).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("latents: shape"));
  }
  EXPECT_THAT(decoder->Decode(at::zeros({3, 16, 12, 20}, at::kInt), state).status().message(), HasSubstr("floating"));
  EXPECT_FALSE(state.scene_started);
}

TEST(VideoDecoder, RefusesAStateOfAnotherDecoder) {
  const auto decoder = TinyDecoder();
  DecoderState none;
  EXPECT_THAT(decoder->Decode(GoldenLatents(0, 3), none).status().message(), HasSubstr("state: 0 tensors"));
  DecoderState other = decoder->NewState();
  other.carried[1] = at::ones({1, 64, 12, 21});
  EXPECT_THAT(decoder->Decode(GoldenLatents(0, 3), other).status().message(), HasSubstr("state.carried[1]"));
}

TEST(VideoDecoder, RefusesAModelFolderWhoseDecoderIsNotAsTheConfigSays) {
  DecoderConfig config = LoadModelConfig(SourcePath("models/tiny"))->decoder;
  config.z_dim = 8;
  EXPECT_THAT(LoadVideoDecoder(SourcePath("models/tiny"), config, kTinyLatents).status().message(),
              HasSubstr("decoder.z_dim is 8"));
  config.z_dim = 16;
  config.file = "text_encoder.safetensors";
  EXPECT_THAT(LoadVideoDecoder(SourcePath("models/tiny"), config, kTinyLatents).status().message(),
              HasSubstr("text_encoder.safetensors"));
  config.file = "nothing.safetensors";
  EXPECT_FALSE(LoadVideoDecoder(SourcePath("models/tiny"), config, kTinyLatents).ok());
  EXPECT_FALSE(LoadVideoDecoder(SourcePath("models/tiny"), config, {}).ok());
}

}  // namespace
}  // namespace videodiffcr
