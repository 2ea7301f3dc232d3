// Which slot a latent frame's keys get, what a chunk still sees and what is evicted (causal_wan_dit.md section 7,
// self_forcing_inference.md section 6). Pure arithmetic on latent frames; frame 0 is the first of the video.
//
// A chunk sees itself and a past of at most `capacity_frames`: the sink (the first frames ever written, kept for good)
// and the newest frames. Attention does not depend on the order of keys, so a new frame overwrites the slot of the one
// that leaves, where the reference shifts memory. The window need not be a multiple of the chunk: then a chunk pushes
// out part of an older one. All finished frames count, the current chunk joins them when its context pass is done.
#ifndef VIDEODIFFCR_MODEL_CONFIG_KV_WINDOW_H_
#define VIDEODIFFCR_MODEL_CONFIG_KV_WINDOW_H_

#include <cstdint>

#include "model/config/model_config.h"

namespace videodiffcr {

struct PastWindow {
  int64_t capacity_frames = 0;  // the window without the current chunk
  int64_t sink_frames = 0;      // at most capacity_frames

  // Frames outside the sink; may be 0, then only the sink is ever seen.
  constexpr int64_t ring_frames() const { return capacity_frames - sink_frames; }
  // Frames in the past once `total` frames are finished.
  constexpr int64_t visible(int64_t total) const { return total < capacity_frames ? total : capacity_frames; }
  // Oldest frame after the sink that is still there; `total` when there is none.
  constexpr int64_t oldest_in_ring(int64_t total) const {
    const int64_t first = total - ring_frames();
    return first < sink_frames ? sink_frames : first;
  }
  constexpr bool is_visible(int64_t frame, int64_t total) const {
    return frame < total && (frame < sink_frames || frame >= oldest_in_ring(total));
  }
  // Slot [0, capacity_frames) of a visible frame.
  constexpr int64_t slot(int64_t frame) const {
    return frame < sink_frames ? frame : sink_frames + (frame - sink_frames) % ring_frames();
  }
  // Place of a visible frame in the window, oldest first: its window-relative rotary position.
  constexpr int64_t window_position(int64_t frame, int64_t total) const {
    if (frame < sink_frames) return frame;
    return sink_frames + (frame - oldest_in_ring(total));
  }
  // Frames that leave when `added` frames join the `total` finished ones.
  constexpr int64_t evicted(int64_t total, int64_t added) const {
    return visible(total) + added - visible(total + added);
  }
};

// Keys of `frames` frames of a finished chunk that are no sink, when `percent` of them stay.
inline int64_t KeptKeysOfFrames(const TransformerConfig& config, int percent, int64_t frames) {
  return KeptKeys(percent, frames * config.tokens_per_frame());
}

// Keys that a block's past holds at most when `percent` of each chunk's stay: all of the sink's, those of the newest
// chunks that are whole in the ring, and of one chunk more as many as have room in the frames that are left.
inline int64_t MostPastKeys(const TransformerConfig& config, int percent) {
  const PastWindow window = {config.window_frames - config.chunk_frames, config.sink_frames};
  const int64_t chunks = window.ring_frames() / config.chunk_frames, rest = window.ring_frames() % config.chunk_frames;
  const int64_t of_chunk = KeptKeysOfFrames(config, percent, config.chunk_frames);
  const int64_t of_rest = rest * config.tokens_per_frame();
  return window.sink_frames * config.tokens_per_frame() + chunks * of_chunk + (of_rest < of_chunk ? of_rest : of_chunk);
}

inline PastWindow MakePastWindow(const TransformerConfig& config) {
  return {config.window_frames - config.chunk_frames, config.sink_frames};
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_KV_WINDOW_H_
