#include "server/media/frame_converter.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

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

}  // namespace
}  // namespace videodiffcr
