#include "tests/fakes/frame_identity.h"

#include <cstddef>
#include <cstring>

namespace videodiffcr {

bool operator==(const FrameIdentity& a, const FrameIdentity& b) {
  return a.seed == b.seed && a.chunk == b.chunk && a.frame == b.frame && a.budget == b.budget &&
         a.prompt_hash == b.prompt_hash;
}

// FNV-1a: the same on every machine, unlike std::hash.
uint64_t HashPrompt(std::string_view prompt) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : prompt) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ull;
  return hash;
}

FrameIdentity ReadFrameIdentity(const FrameChunk& frames, int frame) {
  FrameIdentity identity;
  const size_t frame_bytes = size_t{3} * frames.width * frames.height;
  std::memcpy(&identity, frames.pixels.data() + frame * frame_bytes, sizeof(identity));
  return identity;
}

FrameChunk MakeIdentifiedFrames(FrameIdentity identity, int frame_count, int width, int height) {
  FrameChunk frames;
  frames.width = width;
  frames.height = height;
  frames.frame_count = frame_count;
  const size_t frame_bytes = size_t{3} * width * height;
  frames.pixels.resize(frame_bytes * frame_count);
  for (int frame = 0; frame < frame_count; ++frame) {
    identity.frame = frame;
    uint8_t* const pixels = frames.pixels.data() + frame * frame_bytes;
    std::memset(pixels, static_cast<int>((identity.seed * 37 + identity.chunk * 11 + frame) % 256), frame_bytes);
    std::memcpy(pixels, &identity, sizeof(identity));
  }
  return frames;
}

}  // namespace videodiffcr
