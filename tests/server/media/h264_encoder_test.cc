#include "server/media/h264_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/media/encoder.h"
#include "server/media/h264_level.h"
#include "tests/server/media/video_judge.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr int kWidth = 96;
constexpr int kHeight = 64;

EncoderConfig Config(VideoContainer container) {
  EncoderConfig config;
  config.output = {VideoCodec::kH264, container};
  config.width = kWidth;
  config.height = kHeight;
  config.frames_per_second = 16;
  return config;
}

std::unique_ptr<ChunkEncoder> MakeEncoder(const EncoderConfig& config) {
  absl::StatusOr<std::unique_ptr<ChunkEncoder>> encoder = CreateChunkEncoder(config);
  if (!encoder.ok()) ADD_FAILURE() << encoder.status();
  return encoder.ok() ? *std::move(encoder) : nullptr;
}

// Three chunks as the model makes them: 9 frames, then 12 each.
std::vector<EncodedChunk> EncodeThreeChunks(ChunkEncoder* encoder) {
  std::vector<EncodedChunk> chunks;
  int64_t first_frame = 0;
  for (int frames : {9, 12, 12}) {
    absl::StatusOr<EncodedChunk> chunk = encoder->Encode(MovingPattern(kWidth, kHeight, frames, first_frame));
    EXPECT_TRUE(chunk.ok()) << chunk.status();
    if (chunk.ok()) chunks.push_back(*std::move(chunk));
    first_frame += frames;
  }
  return chunks;
}

std::string Join(const std::vector<EncodedChunk>& chunks) {
  std::string bytes;
  for (const EncodedChunk& chunk : chunks) bytes += chunk.init_segment + chunk.payload;
  return bytes;
}

void ExpectFramesOfThreeChunks(const JudgedVideo& video) {
  ASSERT_EQ(video.frames.size(), 33u);
  for (size_t i = 0; i < video.frames.size(); ++i) {
    const bool begins_chunk = i == 0 || i == 9 || i == 21;
    EXPECT_EQ(video.frames[i].keyframe, begins_chunk) << "frame " << i;
    EXPECT_EQ(video.frames[i].picture_type, begins_chunk ? "I" : "P") << "frame " << i;
    EXPECT_EQ(video.frames[i].width, kWidth);
    EXPECT_EQ(video.frames[i].height, kHeight);
  }
}

// x264 would put a keyframe where the picture changes altogether; a chunk that held two would end its session.
TEST(H264EncoderTest, AHardCutInsideAChunkIsNoKeyframe) {
  auto encoder = MakeEncoder(Config(VideoContainer::kAnnexB));
  FrameChunk chunk = MovingPattern(kWidth, kHeight, 12, 0);
  const size_t half = chunk.pixels.size() / 2;
  for (size_t i = half; i < chunk.pixels.size(); ++i) {
    chunk.pixels[i] = static_cast<uint8_t>((i * 2654435761u) >> 24);
  }
  const absl::StatusOr<EncodedChunk> encoded = encoder->Encode(chunk);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  const JudgedVideo video = ProbeVideo(encoded->payload, "h264");
  ASSERT_EQ(video.frames.size(), 12u);
  for (size_t i = 0; i < video.frames.size(); ++i) {
    EXPECT_EQ(video.frames[i].keyframe, i == 0) << "frame " << i;
    EXPECT_EQ(video.frames[i].picture_type, i == 0 ? "I" : "P") << "frame " << i;
  }
}

TEST(H264EncoderTest, FfprobeAgreesWithCountsSizesTimesAndKeyframesOfFragmentedMp4) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  const std::vector<EncodedChunk> chunks = EncodeThreeChunks(encoder.get());
  const JudgedVideo video = ProbeVideo(Join(chunks), "mp4");
  EXPECT_EQ(video.codec, "h264");
  EXPECT_EQ(video.pixel_format, "yuv420p");
  EXPECT_EQ(video.frame_rate, "16/1");
  ExpectFramesOfThreeChunks(video);
  for (size_t i = 0; i < video.frames.size(); ++i) EXPECT_NEAR(video.frames[i].time_seconds, i / 16.0, 1e-6);
  // The mdat box of a chunk holds exactly the packets that ffprobe finds in it.
  size_t frame = 0;
  for (const auto& [chunk, frames] : {std::pair(&chunks[0], 9), std::pair(&chunks[1], 12), std::pair(&chunks[2], 12)}) {
    int64_t packet_bytes = 0;
    for (int i = 0; i < frames; ++i) packet_bytes += video.frames[frame++].bytes;
    EXPECT_EQ(chunk->payload.size() - (chunk->payload.find("mdat") + 4), packet_bytes);
  }
}

TEST(H264EncoderTest, TagsItsColoursAsLimitedRangeBt601) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  const JudgedVideo video = ProbeVideo(Join(EncodeThreeChunks(encoder.get())), "mp4");
  EXPECT_EQ(video.color_space, "smpte170m");
  EXPECT_EQ(video.color_range, "tv");
}

TEST(H264EncoderTest, AChunkCutOutDecodesAloneBehindTheInitSegment) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  const std::vector<EncodedChunk> chunks = EncodeThreeChunks(encoder.get());
  const JudgedVideo video = ProbeVideo(chunks[0].init_segment + chunks[2].payload, "mp4");
  ASSERT_EQ(video.frames.size(), 12u);
  EXPECT_TRUE(video.frames[0].keyframe);
  // And it shows what it shows in the whole video, at its own time.
  const std::string whole = DecodeToRgb(Join(chunks), "mp4");
  const std::string alone = DecodeToRgb(chunks[0].init_segment + chunks[2].payload, "mp4");
  ASSERT_EQ(alone.size(), 12u * kWidth * kHeight * 3);
  EXPECT_TRUE(whole.substr(21 * kWidth * kHeight * 3) == alone);
  EXPECT_NEAR(video.frames[0].time_seconds, 21 / 16.0, 1e-6);
}

TEST(H264EncoderTest, EveryPrefixOfChunksIsAPlayableFile) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  const std::vector<EncodedChunk> chunks = EncodeThreeChunks(encoder.get());
  EXPECT_EQ(ProbeVideo(Join({chunks[0]}), "mp4").frames.size(), 9u);
  EXPECT_EQ(ProbeVideo(Join({chunks[0], chunks[1]}), "mp4").frames.size(), 21u);
}

TEST(H264EncoderTest, SendsTheInitSegmentOnceAndOneFragmentPerChunk) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  const std::vector<EncodedChunk> chunks = EncodeThreeChunks(encoder.get());
  EXPECT_THAT(chunks[0].init_segment.substr(4, 4), "ftyp");
  EXPECT_THAT(chunks[0].init_segment, HasSubstr("moov"));
  EXPECT_EQ(chunks[1].init_segment, "");
  EXPECT_EQ(chunks[2].init_segment, "");
  for (const EncodedChunk& chunk : chunks) {
    EXPECT_EQ(chunk.payload.substr(4, 4), "moof");
    const auto moof = chunk.payload.find("moof");
    EXPECT_EQ(chunk.payload.find("moof", moof + 4), std::string::npos) << "more than one fragment";
  }
}

// The number in a fragment's mfhd box.
uint32_t NumberOf(const std::string& fragment) {
  const size_t at = fragment.find("mfhd") + 8;
  uint32_t number = 0;
  for (size_t i = at; i < at + 4; ++i) number = number << 8 | static_cast<unsigned char>(fragment[i]);
  return number;
}

TEST(H264EncoderTest, AnotherEncodersChunksJoinWithoutASeam) {
  const std::unique_ptr<ChunkEncoder> whole = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  std::vector<EncodedChunk> chunks = EncodeThreeChunks(whole.get());
  EncoderConfig config = Config(VideoContainer::kFragmentedMp4);
  config.first_chunk = 2;
  config.first_frame = 21;
  const std::unique_ptr<ChunkEncoder> rest = MakeEncoder(config);
  const absl::StatusOr<EncodedChunk> third = rest->Encode(MovingPattern(kWidth, kHeight, 12, 21));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->init_segment, chunks[0].init_segment);
  EXPECT_EQ(NumberOf(third->payload), NumberOf(chunks[2].payload));
  chunks[2].payload = third->payload;
  ExpectFramesOfThreeChunks(ProbeVideo(Join(chunks), "mp4"));
}

TEST(H264EncoderTest, AFirstFragmentLeavesCountsTimesAndTheOneKeyframeOfAChunkAsTheyAre) {
  EncoderConfig config = Config(VideoContainer::kFragmentedMp4);
  config.first_fragment_frames = 2;
  const std::unique_ptr<ChunkEncoder> encoder = MakeEncoder(config);
  EncodedChunk first;
  const FrameChunk nine = MovingPattern(kWidth, kHeight, 9, 0);
  ASSERT_TRUE(encoder->EncodePart(nine, 0, 2, &first).ok());
  const size_t fragment = first.payload.size();
  ASSERT_TRUE(encoder->EncodePart(nine, 2, 7, &first).ok());
  std::vector<EncodedChunk> chunks = {first};
  for (const int64_t first_frame : {9, 21}) {
    chunks.push_back(*encoder->Encode(MovingPattern(kWidth, kHeight, 12, first_frame)));
  }
  const JudgedVideo video = ProbeVideo(Join(chunks), "mp4");
  ExpectFramesOfThreeChunks(video);
  for (size_t i = 0; i < video.frames.size(); ++i) EXPECT_NEAR(video.frames[i].time_seconds, i / 16.0, 1e-6);
  EXPECT_EQ(NumberOf(first.payload), 1u);
  EXPECT_EQ(NumberOf(first.payload.substr(fragment)), 2u);
  EXPECT_EQ(NumberOf(chunks[1].payload), 3u);

  // An encoder that goes on behind such a chunk numbers its fragments as this one.
  config.first_chunk = 2;
  config.first_frame = 21;
  const absl::StatusOr<EncodedChunk> third = MakeEncoder(config)->Encode(MovingPattern(kWidth, kHeight, 12, 21));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(NumberOf(third->payload), NumberOf(chunks[2].payload));
}

TEST(H264EncoderTest, AnnexBChunksBeginWithTheirParameterSetsAndDecodeAlone) {
  auto encoder = MakeEncoder(Config(VideoContainer::kAnnexB));
  const std::vector<EncodedChunk> chunks = EncodeThreeChunks(encoder.get());
  ExpectFramesOfThreeChunks(ProbeVideo(Join(chunks), "h264"));
  for (const EncodedChunk& chunk : chunks) {
    EXPECT_EQ(chunk.init_segment, "");
    EXPECT_EQ(chunk.payload.substr(0, 4), std::string("\0\0\0\1", 4));
    EXPECT_EQ(chunk.payload[4] & 0x1f, 7) << "not a sequence parameter set";
  }
  EXPECT_EQ(ProbeVideo(chunks[1].payload, "h264").frames.size(), 12u);
}

TEST(H264EncoderTest, EqualFramesGiveEqualBytes) {
  for (VideoContainer container : {VideoContainer::kFragmentedMp4, VideoContainer::kAnnexB}) {
    auto first = MakeEncoder(Config(container));
    auto second = MakeEncoder(Config(container));
    EXPECT_TRUE(Join(EncodeThreeChunks(first.get())) == Join(EncodeThreeChunks(second.get())));
  }
}

TEST(H264EncoderTest, SlicesFollowFromThePictureAlone) {
  EXPECT_EQ(H264SliceThreads(2), 1);
  EXPECT_EQ(H264SliceThreads(96), 1);
  EXPECT_EQ(H264SliceThreads(239), 1);
  EXPECT_EQ(H264SliceThreads(240), 2);
  EXPECT_EQ(H264SliceThreads(479), 3);
  EXPECT_EQ(H264SliceThreads(480), 7);
  EXPECT_EQ(H264SliceThreads(1080), 8);
  EXPECT_EQ(H264SliceThreads(8192), 8);
}

// Slices of the pictures in Annex-B bytes: coded slices of IDR pictures (type 5) and others (type 1).
int CountSlices(const std::string& annex_b) {
  int slices = 0;
  const std::string start("\0\0\1", 3);
  for (size_t at = annex_b.find(start); at != std::string::npos && at + 3 < annex_b.size();
       at = annex_b.find(start, at + 3)) {
    const int type = annex_b[at + 3] & 0x1f;
    slices += type == 1 || type == 5;
  }
  return slices;
}

TEST(H264EncoderTest, ALargePictureIsCutIntoSlicesAndItsBytesRepeat) {
  EncoderConfig config = Config(VideoContainer::kAnnexB);
  config.width = 832;
  config.height = 480;
  const auto encode = [&config] {
    const std::unique_ptr<ChunkEncoder> encoder = MakeEncoder(config);
    std::string bytes;
    for (const int64_t first_frame : {0, 3}) {
      const auto chunk = encoder->Encode(MovingPattern(config.width, config.height, 3, first_frame));
      EXPECT_TRUE(chunk.ok()) << chunk.status();
      if (chunk.ok()) bytes += chunk->payload;
    }
    return bytes;
  };
  const std::string bytes = encode();
  EXPECT_TRUE(bytes == encode());
  EXPECT_EQ(CountSlices(bytes), 6 * 7);
  const JudgedVideo video = ProbeVideo(bytes, "h264");
  ASSERT_EQ(video.frames.size(), 6u);
  for (size_t i = 0; i < video.frames.size(); ++i) {
    EXPECT_EQ(video.frames[i].keyframe, i % 3 == 0) << "frame " << i;
    EXPECT_EQ(video.frames[i].width, 832);
    EXPECT_EQ(video.frames[i].height, 480);
  }
}

TEST(H264EncoderTest, DecodedColoursAreThoseThatWentIn) {
  EncoderConfig config = Config(VideoContainer::kFragmentedMp4);
  config.rate_factor = 1;
  auto encoder = MakeEncoder(config);
  FrameChunk red;
  red.width = kWidth;
  red.height = kHeight;
  red.frame_count = 1;
  for (int i = 0; i < kWidth * kHeight; ++i) red.pixels.insert(red.pixels.end(), {200, 30, 60});
  absl::StatusOr<EncodedChunk> chunk = encoder->Encode(red);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  const std::string decoded = DecodeToRgb(chunk->init_segment + chunk->payload, "mp4");
  ASSERT_EQ(decoded.size(), red.pixels.size());
  for (size_t i = 0; i < decoded.size(); ++i) {
    ASSERT_NEAR(static_cast<uint8_t>(decoded[i]), red.pixels[i], 3) << "byte " << i;
  }
}

TEST(H264EncoderTest, AHigherRateFactorGivesFewerBytes) {
  EncoderConfig fine = Config(VideoContainer::kAnnexB), coarse = fine;
  fine.rate_factor = 10;
  coarse.rate_factor = 40;
  EXPECT_GT(Join(EncodeThreeChunks(MakeEncoder(fine).get())).size(),
            Join(EncodeThreeChunks(MakeEncoder(coarse).get())).size());
}

// An encoder that makes anything but what players were promised is not made.
TEST(H264EncoderTest, ItsProfileAndLevelAreKnownBeforeThereIsAnEncoder) {
  EXPECT_EQ(CodecStringOf(Config(VideoContainer::kFragmentedMp4)), "avc1.64000b");
  EncoderConfig config = Config(VideoContainer::kAnnexB);
  for (const auto& [width, height] : {std::pair(kWidth, kHeight), std::pair(832, 480)}) {
    config.width = width;
    config.height = height;
    for (int rate_factor = kMinRateFactor; rate_factor <= kMaxRateFactor; rate_factor += 10) {
      config.rate_factor = rate_factor;
      EXPECT_NE(MakeEncoder(config), nullptr) << CodecStringOf(config);
    }
  }
}

// A picture that no codec makes smaller.
FrameChunk Noise(int width, int height, int frame_count, uint32_t seed) {
  FrameChunk chunk = MovingPattern(width, height, frame_count, 0);
  for (uint8_t& sample : chunk.pixels) sample = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  return chunk;
}

// Whatever the frames show: the bits of any stretch of frames are no more than the level's buffer holds and its rate
// brings meanwhile.
TEST(H264EncoderTest, KeepsToTheLevelThatItsCodecStringAndFfprobeName) {
  for (const int rate_factor : {1, 8, 20, 51}) {
    EncoderConfig config = Config(VideoContainer::kFragmentedMp4);
    config.rate_factor = rate_factor;
    auto encoder = MakeEncoder(config);
    std::string bytes;
    for (uint32_t i = 0; i < 5; ++i) {
      const absl::StatusOr<EncodedChunk> chunk = encoder->Encode(Noise(kWidth, kHeight, 12, i));
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      bytes += chunk->init_segment + chunk->payload;
    }
    const JudgedVideo video = ProbeVideo(bytes, "mp4");
    EXPECT_EQ(std::stoi(CodecStringOf(config).substr(9), nullptr, 16), video.level) << "rate factor " << rate_factor;
    const H264Level level = ChooseH264Level(kWidth, kHeight, 16, H264RateBound(kWidth, kHeight, 16, rate_factor));
    EXPECT_EQ(video.level, level.number) << "rate factor " << rate_factor;
    for (size_t first = 0; first < video.frames.size(); ++first) {
      double bits = 0;
      for (size_t last = first; last < video.frames.size(); ++last) {
        bits += 8.0 * static_cast<double>(video.frames[last].bytes);
        const double allowed = 1.25 * (static_cast<double>(level.max_buffer_bits) +
                                       static_cast<double>(level.max_bits_per_second) * (last - first + 1) / 16);
        ASSERT_LE(bits, allowed) << "rate factor " << rate_factor << ", frames " << first << " to " << last;
      }
    }
  }
}

TEST(H264EncoderTest, TakesFramesThatAreYuvAlready) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  absl::StatusOr<EncodedChunk> chunk = encoder->Encode(MovingPattern(kWidth, kHeight, 9, 0, PixelFormat::kYuv420p));
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(ProbeVideo(chunk->init_segment + chunk->payload, "mp4").frames.size(), 9u);
}

TEST(H264EncoderTest, RefusesFramesOfAnotherSizeNamingBothSizes) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  absl::StatusOr<EncodedChunk> chunk = encoder->Encode(MovingPattern(32, 32, 9, 0));
  EXPECT_EQ(chunk.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(chunk.status().message()), HasSubstr("32x32"));
  EXPECT_THAT(std::string(chunk.status().message()), HasSubstr("96x64"));
}

TEST(H264EncoderTest, RefusesAChunkWhoseBytesDoNotFitItsFrames) {
  auto encoder = MakeEncoder(Config(VideoContainer::kFragmentedMp4));
  FrameChunk chunk = MovingPattern(kWidth, kHeight, 9, 0);
  chunk.pixels.pop_back();
  EXPECT_EQ(encoder->Encode(chunk).status().code(), absl::StatusCode::kInvalidArgument);
  chunk.frame_count = 0;
  EXPECT_EQ(encoder->Encode(chunk).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace videodiffcr
