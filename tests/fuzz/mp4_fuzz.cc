// Any chunks into fragmented MP4: an init segment of ftyp and moov, then moof and mdat per chunk, boxes that fill their
// bytes exactly and fragments that are numbered on, at whatever chunk and frame of a video the encoder begins.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/media/encoder.h"
#include "tests/fuzz/require.h"

namespace videodiffcr {
namespace {

constexpr int kMostChunks = 3, kMostFrames = 4;
constexpr size_t kBoxHeader = 8;

// What a video is made of, byte by byte; zeros behind the last.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t Next() { return at_ < size_ ? data_[at_++] : 0; }
  int64_t NextInteger(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | Next();
    return static_cast<int64_t>(value);
  }
  // Few bytes make many pixels: they are said again and again.
  std::vector<uint8_t> Pixels(size_t count) {
    std::array<uint8_t, 16> pattern;
    for (uint8_t& byte : pattern) byte = Next();
    std::vector<uint8_t> pixels(count);
    for (size_t i = 0; i < count; ++i)
      pixels[i] = static_cast<uint8_t>(pattern[i % 16] + pattern[i / 16 % 16] * (i / 256));
    return pixels;
  }

 private:
  const uint8_t* const data_;
  const size_t size_;
  size_t at_ = 0;
};

uint32_t BigEndian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The boxes that fill `bytes`, by name.
std::vector<std::pair<std::string, std::string_view>> Boxes(std::string_view bytes) {
  std::vector<std::pair<std::string, std::string_view>> boxes;
  while (!bytes.empty()) {
    Require(bytes.size() >= kBoxHeader, "bytes behind the last box");
    const uint32_t size = BigEndian(bytes, 0);
    Require(size >= kBoxHeader && size <= bytes.size(), "a box of another size than its bytes", bytes.substr(4, 4));
    boxes.emplace_back(bytes.substr(4, 4), bytes.substr(kBoxHeader, size - kBoxHeader));
    bytes.remove_prefix(size);
  }
  return boxes;
}

// Two boxes of these names and no other.
std::string_view CheckPair(std::string_view bytes, const char* first, const char* second) {
  const auto boxes = Boxes(bytes);
  Require(boxes.size() == 2 && boxes[0].first == first && boxes[1].first == second, "other boxes", first);
  return boxes[0].second;
}

// moof says which fragment it is in mfhd, behind a version.
void CheckFragment(std::string_view payload, int64_t number) {
  const std::string_view moof = CheckPair(payload, "moof", "mdat");
  const auto inside = Boxes(moof);
  Require(!inside.empty() && inside[0].first == "mfhd" && inside[0].second.size() == 8,
          "a fragment without its number");
  Require(BigEndian(inside[0].second, 4) == static_cast<uint32_t>(number + 1), "a fragment with another number");
}

void MakeVideo(Bytes bytes) {
  EncoderConfig config;
  config.width = 2 * (bytes.Next() % 40);
  config.height = 2 * (bytes.Next() % 40);
  config.frames_per_second = bytes.Next();
  config.rate_factor = bytes.Next() % (kMaxRateFactor + 2);
  config.first_chunk = bytes.NextInteger(2);
  config.first_frame = bytes.NextInteger(5);
  const absl::Status valid = config.Validate();
  absl::StatusOr<std::unique_ptr<ChunkEncoder>> encoder = CreateChunkEncoder(config);
  if (!valid.ok()) return Require(absl::IsInvalidArgument(encoder.status()), "an encoder of what is not valid");
  Require(encoder.ok(), "no encoder of what is valid", std::string(encoder.status().message()));
  const int chunks = 1 + bytes.Next() % kMostChunks;
  for (int number = 0; number < chunks; ++number) {
    FrameChunk chunk;
    chunk.width = config.width;
    chunk.height = config.height;
    chunk.frame_count = 1 + bytes.Next() % kMostFrames;
    chunk.format = bytes.Next() % 2 == 0 ? PixelFormat::kRgb24 : PixelFormat::kYuv420p;
    const size_t frame = static_cast<size_t>(config.width) * config.height;
    chunk.pixels = bytes.Pixels(chunk.frame_count * (chunk.format == PixelFormat::kRgb24 ? 3 * frame : 3 * frame / 2));
    const absl::StatusOr<EncodedChunk> encoded = (*encoder)->Encode(chunk);
    Require(encoded.ok(), "a chunk that is not encoded", std::string(encoded.status().message()));
    Require(encoded->init_segment.empty() == (number > 0), "an init segment that is missing or comes twice");
    if (number == 0) CheckPair(encoded->init_segment, "ftyp", "moov");
    CheckFragment(encoded->payload, config.first_chunk + number);
  }
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  videodiffcr::MakeVideo(videodiffcr::Bytes(data, size));
  return 0;
}
