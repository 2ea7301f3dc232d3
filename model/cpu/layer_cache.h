// The keys and values that one block of one session keeps between passes on the CPU, and how a finished chunk joins
// them.
//
// Note: [Two places for keys]. Attention does not depend on the order of keys, so the past lives in a ring (sink frames
// first, never overwritten; then the newest frames), and the current chunk in a buffer of its own: a routed pass writes
// only its kept rows there, side by side. The chunk moves into the ring when the next one begins, as the reference
// evicts (causal_wan_dit.md section 7): until then the ring holds what the chunk attended to.
//
// Note: [Compact past]. Rows of the past lie side by side whatever share of each chunk stays, so attention reads them
// as one run. A row knows its place: slot of its frame in the window, and token in the frame. New rows take the rows of
// frames that leave, in the order of their places; what is too much goes to the end, and what is too little is filled
// from the end. While everything stays, a row's number is its place.
#ifndef VIDEODIFFCR_MODEL_CPU_LAYER_CACHE_H_
#define VIDEODIFFCR_MODEL_CPU_LAYER_CACHE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/cpu/float_buffer.h"

namespace videodiffcr::cpu {

struct LayerCache {
  // `most_percent`: the largest share of a chunk that ever stays. `ranked`: less than everything may stay.
  LayerCache(const TransformerConfig& config, int most_percent, bool ranked);
  static int64_t Bytes(const TransformerConfig& config, int most_percent, bool ranked);

  int64_t past_rows() const { return static_cast<int64_t>(past_places.size()); }

  FloatBuffer past_keys;  // [room, D] as cached: rotated, or not for window-relative positions
  // [room, D] window-relative positions only: turned to their place in this chunk's window.
  FloatBuffer past_keys_rotated;
  FloatBuffer past_values;           // [room, D]
  std::vector<int32_t> past_places;  // [rows in use]: slot * tokens per frame + token in the frame

  FloatBuffer chunk_keys;        // [chunk tokens, D] rotated
  FloatBuffer chunk_keys_plain;  // [chunk tokens, D] window-relative positions only: before rotation
  FloatBuffer chunk_values;      // [chunk tokens, D]
  FloatBuffer chunk_scores;      // [chunk tokens] of the context pass, where it ranks them: the best stay
  int chunk_percent = kWholeCachePercent;
};

// Lists that CommitChunk() fills; as long as they can get, so that it needs no memory.
struct CommitLists {
  explicit CommitLists(const TransformerConfig& config);
  std::vector<int32_t> kept;                          // tokens of the chunk
  std::vector<std::pair<int32_t, int32_t>> arriving;  // place and token of those that the window has room for
  std::vector<int32_t> left_over;                     // rows whose frame has left and that nobody takes
  std::vector<char> slot_is_new;                      // by slot
};

// Moves the chunk behind `frames_before` frames into the past: all of its sink frames, and the best chunk_percent of
// its other tokens. Returns how many rows left the window.
int64_t CommitChunk(const TransformerConfig& config, int64_t frames_before, CommitLists& lists, LayerCache& layer);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_LAYER_CACHE_H_
