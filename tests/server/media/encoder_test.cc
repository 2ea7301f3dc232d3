#include "server/media/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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
  EXPECT_EQ(CodecStringOf(Config(VideoCodec::kRawRgb24, VideoContainer::kRaw)), "");
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

// Both parts of a chunk; `first` is told what there was between them.
EncodedChunk EncodeInParts(ChunkEncoder* encoder, const FrameChunk& frames, int first_frames, EncodedChunk* first) {
  EncodedChunk encoded;
  EXPECT_EQ(encoder->EncodePart(frames, 0, first_frames, &encoded), absl::OkStatus());
  *first = encoded;
  EXPECT_EQ(encoder->EncodePart(frames, first_frames, frames.frame_count - first_frames, &encoded), absl::OkStatus());
  return encoded;
}

TEST(EncoderTest, AChunkInPartsBeginsWithItsFirstPartAndShowsTheFramesOfAWholeOne) {
  constexpr int kFrames = 9;
  for (const OutputKind& output : kSupportedOutputs) {
    EncoderConfig config = Config(output.codec, output.container);
    if (output.codec == VideoCodec::kRawRgb24) {
      config.width = 33;
      config.height = 17;
    }
    const FrameChunk frames = MovingPattern(config.width, config.height, kFrames, 0);
    const absl::StatusOr<EncodedChunk> whole = (*CreateChunkEncoder(config))->Encode(frames);
    ASSERT_TRUE(whole.ok()) << whole.status();
    const bool mp4 = output.container == VideoContainer::kFragmentedMp4;
    for (int first_frames = 1; first_frames < kFrames; ++first_frames) {
      SCOPED_TRACE(absl::StrCat(std::string(CodecName(output.codec)), " ", mp4, ", frames: ", first_frames));
      EncodedChunk first;
      const EncodedChunk chunk = EncodeInParts(CreateChunkEncoder(config)->get(), frames, first_frames, &first);
      EXPECT_FALSE(first.payload.empty());
      EXPECT_TRUE(chunk.payload.substr(0, first.payload.size()) == first.payload);
      EXPECT_LT(first.payload.size(), chunk.payload.size());
      EXPECT_TRUE(first.init_segment == chunk.init_segment);
      EXPECT_TRUE(chunk.init_segment == whole->init_segment);
      if (!mp4) {
        EXPECT_TRUE(chunk.payload == whole->payload);
        continue;
      }
      EXPECT_TRUE(DecodeToRgb(chunk.init_segment + chunk.payload, "mp4") ==
                  DecodeToRgb(whole->init_segment + whole->payload, "mp4"));
      EXPECT_EQ(ProbeVideo(first.init_segment + first.payload, "mp4").frames.size(), static_cast<size_t>(first_frames));
    }
  }
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
  config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
  config.first_fragment_frames = -1;
  EXPECT_THAT(std::string(config.Validate().message()), HasSubstr("first_fragment_frames is -1"));
}

TEST(EncoderTest, TheEndsOfEveryRangeAreInItAndWhatLiesBeyondIsNot) {
  const auto error_of = [](const std::function<void(EncoderConfig*)>& change) {
    EncoderConfig config = Config(VideoCodec::kH264, VideoContainer::kAnnexB);
    change(&config);
    return std::string(config.Validate().message());
  };
  EXPECT_EQ(error_of([](auto* config) { config->width = config->height = 8192; }), "");
  EXPECT_EQ(error_of([](auto* config) { config->width = config->height = 2; }), "");
  EXPECT_EQ(error_of([](auto* config) { config->frames_per_second = 1; }), "");
  EXPECT_EQ(error_of([](auto* config) { config->frames_per_second = 240; }), "");
  EXPECT_EQ(error_of([](auto* config) { config->rate_factor = kMinRateFactor; }), "");
  EXPECT_EQ(error_of([](auto* config) { config->rate_factor = kMaxRateFactor; }), "");
  EXPECT_THAT(error_of([](auto* config) { config->width = 8194; }), HasSubstr("8194x16"));
  EXPECT_THAT(error_of([](auto* config) { config->height = 8194; }), HasSubstr("32x8194"));
  EXPECT_THAT(error_of([](auto* config) { config->width = 0; }), HasSubstr("0x16"));
  EXPECT_THAT(error_of([](auto* config) { config->height = 17; }), HasSubstr("32x17"));
  EXPECT_THAT(error_of([](auto* config) { config->frames_per_second = 241; }), HasSubstr("frames_per_second is 241"));
  EXPECT_THAT(error_of([](auto* config) { config->rate_factor = 0; }), HasSubstr("rate_factor is 0"));
  EncoderConfig rgb = Config(VideoCodec::kRawRgb24, VideoContainer::kRaw);
  rgb.width = rgb.height = 1;
  EXPECT_TRUE(rgb.Validate().ok()) << "without chroma there is nothing to halve";
}

TEST(EncoderTest, FramesOfAnotherSizeOrNumberThanTheyClaimAreRefused) {
  for (const auto& [codec, container] : {std::pair(VideoCodec::kRawRgb24, VideoContainer::kRaw),
                                         std::pair(VideoCodec::kH264, VideoContainer::kAnnexB)}) {
    auto encoder = CreateChunkEncoder(Config(codec, container));
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    const auto error_of = [&](const std::function<void(FrameChunk*)>& spoil) {
      FrameChunk frames = MovingPattern(32, 16, 2, 0);
      spoil(&frames);
      return std::string((*encoder)->Encode(frames).status().message());
    };
    EXPECT_THAT(error_of([](auto* frames) { std::swap(frames->width, frames->height); }), HasSubstr("16x32"));
    EXPECT_THAT(error_of([](auto* frames) { frames->width = 64; }), HasSubstr("64x16"));
    EXPECT_THAT(error_of([](auto* frames) { frames->height = 8; }), HasSubstr("32x8"));
    EXPECT_THAT(error_of([](auto* frames) { frames->pixels.pop_back(); }), HasSubstr("bytes of pixels"));
    EXPECT_THAT(error_of([](auto* frames) { frames->frame_count = 3; }), HasSubstr("3 frames need"));
    EXPECT_THAT(error_of([](auto* frames) {
                  frames->frame_count = 0;
                  frames->pixels.clear();
                }),
                HasSubstr("chunk has 0 frames"));
  }
}

TEST(CodecStringTest, SpellsProfileFlagsAndLevelOfTheFirstParameterSet) {
  const std::vector<uint8_t> bytes = {0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0x64, 0x00, 0x1f, 0xac};
  absl::StatusOr<std::string> codec_string = H264CodecString(bytes);
  ASSERT_TRUE(codec_string.ok()) << codec_string.status();
  EXPECT_EQ(*codec_string, "avc1.64001f");
  const std::vector<uint8_t> bare = {0, 0, 1, 0x67, 0x42, 0xc0, 0x1e};
  EXPECT_EQ(*H264CodecString(bare), "avc1.42c01e") << "at the very beginning, and nothing behind it";
}

TEST(CodecStringTest, RefusesBytesWithoutAParameterSet) {
  EXPECT_FALSE(H264CodecString(std::vector<uint8_t>{0, 0, 1, 0x68, 1, 2, 3}).ok());
  EXPECT_FALSE(H264CodecString(std::vector<uint8_t>{0, 0, 1, 0x67, 1, 2}).ok()) << "cut off before the level";
  EXPECT_FALSE(H264CodecString({}).ok());
  for (const size_t zero : {0, 1}) {
    std::vector<uint8_t> bytes = {0, 0, 1, 0x67, 0x64, 0x00, 0x1f};
    bytes[zero] = 3;
    EXPECT_FALSE(H264CodecString(bytes).ok()) << "that is no start code";
  }
  EXPECT_FALSE(H264CodecString(std::vector<uint8_t>{0, 0, 2, 0x67, 0x64, 0x00, 0x1f}).ok());
}

}  // namespace
}  // namespace videodiffcr
