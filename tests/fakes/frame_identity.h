// Fake frames that say who they are: a test sees order, mix-ups and changes in the pixels.
#ifndef VIDEODIFFCR_TESTS_FAKES_FRAME_IDENTITY_H_
#define VIDEODIFFCR_TESTS_FAKES_FRAME_IDENTITY_H_

#include <cstdint>
#include <string_view>

#include "model/api/frame_chunk.h"

namespace videodiffcr {

// What the first bytes of every fake frame say.
struct FrameIdentity {
  uint64_t seed = 0;
  int64_t chunk = 0;
  int32_t frame = 0;         // within the chunk
  int32_t budget = 0;        // in tenths
  uint64_t prompt_hash = 0;  // HashPrompt() of the prompt that was in force
};
bool operator==(const FrameIdentity& a, const FrameIdentity& b);
uint64_t HashPrompt(std::string_view prompt);
// `frame` counts from 0 within `frames`.
FrameIdentity ReadFrameIdentity(const FrameChunk& frames, int frame);
// Frames numbered from 0. A flat colour per frame behind the identity, so that an encoder has something plausible to
// encode.
FrameChunk MakeIdentifiedFrames(FrameIdentity identity, int frame_count, int width, int height);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_FRAME_IDENTITY_H_
