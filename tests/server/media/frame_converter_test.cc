#include "server/media/frame_converter.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <vector>

extern "C" {
#include <libavutil/mem.h>
}

namespace videodiffcr {
namespace {

// Memory whose last byte is followed by a page that nobody may touch.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t size) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (size + page - 1) / page * page + page;
    base_ = static_cast<uint8_t*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + mapped_ - page, page, PROT_NONE);
    first_ = base_ + mapped_ - page - size;
  }
  ~GuardedBytes() { munmap(base_, mapped_); }
  uint8_t* data() { return first_; }
  size_t size() const { return size_; }

 private:
  size_t size_, mapped_;
  uint8_t *base_, *first_;
};

TEST(FrameConverterTest, TouchesNoByteBeyondTheFramesThatItIsGiven) {
  for (const PixelFormat from : {PixelFormat::kRgb24, PixelFormat::kYuv420p}) {
    for (const auto& [width, height] : {std::pair{160, 96}, {166, 98}, {832, 480}, {2, 2}}) {
      const PixelFormat to = from == PixelFormat::kRgb24 ? PixelFormat::kYuv420p : PixelFormat::kRgb24;
      GuardedBytes input(FrameBytes(from, width, height)), output(FrameBytes(to, width, height));
      std::fill_n(input.data(), input.size(), uint8_t{128});
      const uint8_t* planes[4];
      int strides[4];
      DescribeFrame(to, width, height, output.data(), planes, strides);
      uint8_t* const writable[4] = {output.data(), const_cast<uint8_t*>(planes[1]), const_cast<uint8_t*>(planes[2]),
                                    nullptr};
      FrameConverter converter(width, height);
      ASSERT_TRUE(converter.Convert(from, input.data(), to, writable, strides).ok()) << width << "x" << height;
      EXPECT_NEAR(output.data()[output.size() - 1], 128, 3) << "gray stays gray";
    }
  }
}

TEST(FrameConverterTest, WantOfMemoryIsToldFromAMistake) {
  constexpr int kSide = 16;
  const std::vector<uint8_t> input(FrameBytes(PixelFormat::kRgb24, kSide, kSide));
  std::vector<uint8_t> output(FrameBytes(PixelFormat::kYuv420p, kSide, kSide));
  const uint8_t* planes[4];
  int strides[4];
  DescribeFrame(PixelFormat::kYuv420p, kSide, kSide, output.data(), planes, strides);
  uint8_t* const writable[4] = {output.data(), const_cast<uint8_t*>(planes[1]), const_cast<uint8_t*>(planes[2]),
                                nullptr};
  FrameConverter converter(kSide, kSide);
  av_max_alloc(8192);  // enough for the frames, not for FFmpeg's converter
  const absl::Status status =
      converter.Convert(PixelFormat::kRgb24, input.data(), PixelFormat::kYuv420p, writable, strides);
  av_max_alloc(INT_MAX);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(converter.Convert(PixelFormat::kRgb24, input.data(), PixelFormat::kYuv420p, writable, strides).ok());
}

// One colour all over, converted, as the first byte of each plane.
std::vector<int> ConvertedColour(FrameConverter* converter, PixelFormat from, const std::vector<uint8_t>& colour,
                                 PixelFormat to) {
  constexpr int kSide = 16;
  std::vector<uint8_t> input;
  for (int i = 0; i < kSide * kSide; ++i) {
    if (from == PixelFormat::kRgb24) input.insert(input.end(), colour.begin(), colour.end());
    if (from == PixelFormat::kYuv420p) input.push_back(colour[0]);
  }
  if (from == PixelFormat::kYuv420p) {
    for (const int plane : {1, 2}) input.insert(input.end(), kSide * kSide / 4, colour[plane]);
  }
  std::vector<uint8_t> output(FrameBytes(to, kSide, kSide));
  const uint8_t* planes[4];
  int strides[4];
  DescribeFrame(to, kSide, kSide, output.data(), planes, strides);
  uint8_t* const writable[4] = {const_cast<uint8_t*>(planes[0]), const_cast<uint8_t*>(planes[1]),
                                const_cast<uint8_t*>(planes[2]), nullptr};
  EXPECT_TRUE(converter->Convert(from, input.data(), to, writable, strides).ok());
  if (to == PixelFormat::kRgb24) return {output[0], output[1], output[2]};
  return {*planes[0], *planes[1], *planes[2]};
}

// Limited range BT.601: white is 235, black 16; red is (82, 90, 240).
TEST(FrameConverterTest, ColoursAreThoseOfLimitedRangeBt601BothWaysAndAConverterMayTurnRound) {
  FrameConverter converter(16, 16);
  for (int round = 0; round < 2; ++round) {
    const std::vector<int> yuv = ConvertedColour(&converter, PixelFormat::kRgb24, {255, 0, 0}, PixelFormat::kYuv420p);
    EXPECT_NEAR(yuv[0], 82, 1);
    EXPECT_NEAR(yuv[1], 90, 1);
    EXPECT_NEAR(yuv[2], 240, 1);
    const std::vector<int> red = ConvertedColour(&converter, PixelFormat::kYuv420p, {82, 90, 240}, PixelFormat::kRgb24);
    EXPECT_NEAR(red[0], 255, 2);
    EXPECT_NEAR(red[1], 0, 2);
    EXPECT_NEAR(red[2], 0, 2);
    const std::vector<int> white =
        ConvertedColour(&converter, PixelFormat::kYuv420p, {235, 128, 128}, PixelFormat::kRgb24);
    for (const int channel : white) EXPECT_NEAR(channel, 255, 1);
    const std::vector<int> black =
        ConvertedColour(&converter, PixelFormat::kYuv420p, {16, 128, 128}, PixelFormat::kRgb24);
    for (const int channel : black) EXPECT_NEAR(channel, 0, 1);
  }
}

}  // namespace
}  // namespace videodiffcr
