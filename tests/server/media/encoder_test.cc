#include "server/media/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/media/codec_string.h"
#include "tests/server/media/video_judge.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

EncoderConfig Config(VideoCodec codec, VideoContainer container) {
  EncoderConfig config;
  config.output = {codec, container};
  config.width = 32;
  config.height = 16;
  config.frames_per_second = 16;
  return config;
}

TEST(EncoderTest, RawRgbIsTheFramesThemselves) {
  auto encoder = CreateChunkEncoder(Config(VideoCodec::kRawRgb24, VideoContainer::kRaw));
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const FrameChunk frames = MovingPattern(32, 16, 9, 0);
  absl::StatusOr<EncodedChunk> chunk = (*encoder)->Encode(frames);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_TRUE(chunk->payload == std::string(frames.pixels.begin(), frames.pixels.end()));
  EXPECT_EQ(chunk->init_segment, "");
  EXPECT_EQ((*encoder)->codec_string(), "");
}

TEST(EncoderTest, RawYuvIsLimitedRangeBt601InThreePlanes) {
  auto encoder = CreateChunkEncoder(Config(VideoCodec::kRawYuv420p, VideoContainer::kRaw));
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  FrameChunk white;
  white.width = 32;
  white.height = 16;
  white.frame_count = 2;
  white.pixels.assign(2 * 32 * 16 * 3, 255);
  absl::StatusOr<EncodedChunk> chunk = (*encoder)->Encode(white);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  ASSERT_EQ(chunk->payload.size(), 2u * 32 * 16 * 3 / 2);
  for (int frame = 0; frame < 2; ++frame) {
    const std::string planes = chunk->payload.substr(frame * 32 * 16 * 3 / 2, 32 * 16 * 3 / 2);
    for (int i = 0; i < 32 * 16; ++i) ASSERT_EQ(static_cast<uint8_t>(planes[i]), 235) << "luma " << i;
    for (int i = 32 * 16; i < 32 * 16 * 3 / 2; ++i) ASSERT_EQ(static_cast<uint8_t>(planes[i]), 128) << "chroma " << i;
  }
}

TEST(EncoderTest, RawYuvOfYuvFramesIsACopy) {
  auto encoder = CreateChunkEncoder(Config(VideoCodec::kRawYuv420p, VideoContainer::kRaw));
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const FrameChunk frames = MovingPattern(32, 16, 3, 0, PixelFormat::kYuv420p);
  absl::StatusOr<EncodedChunk> chunk = (*encoder)->Encode(frames);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_TRUE(chunk->payload == std::string(frames.pixels.begin(), frames.pixels.end()));
}

TEST(EncoderTest, EverySupportedOutputCanBeMade) {
  for (const OutputKind& output : kSupportedOutputs) {
    EXPECT_TRUE(CreateChunkEncoder(Config(output.codec, output.container)).ok()) << CodecName(output.codec);
  }
}

TEST(EncoderTest, RefusesPairsThatDoNotGoTogether) {
  EXPECT_EQ(CreateChunkEncoder(Config(VideoCodec::kH264, VideoContainer::kRaw)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateChunkEncoder(Config(VideoCodec::kRawRgb24, VideoContainer::kFragmentedMp4)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(EncoderTest, RefusesSizesRatesAndFactorsOutsideTheirRangeNamingTheValue) {
  EncoderConfig config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
  config.width = 33;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("33x16"));
  config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
  config.height = 0;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("32x0"));
  config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
  config.frames_per_second = 0;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("frames_per_second is 0"));
  config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
  config.rate_factor = 52;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("rate_factor is 52"));
}

TEST(CodecStringTest, SpellsProfileFlagsAndLevelOfTheFirstParameterSet) {
  const std::vector<uint8_t> bytes = {0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0x64, 0x00, 0x1f, 0xac};
  absl::StatusOr<std::string> codec_string = H264CodecString(bytes);
  ASSERT_TRUE(codec_string.ok()) << codec_string.status();
  EXPECT_EQ(*codec_string, "avc1.64001f");
}

TEST(CodecStringTest, RefusesBytesWithoutAParameterSet) {
  EXPECT_FALSE(H264CodecString(std::vector<uint8_t>{0, 0, 1, 0x68, 1, 2, 3}).ok());
  EXPECT_FALSE(H264CodecString(std::vector<uint8_t>{0, 0, 1, 0x67, 1, 2}).ok()) << "cut off before the level";
  EXPECT_FALSE(H264CodecString({}).ok());
}

}  // namespace
}  // namespace videodiffcr
