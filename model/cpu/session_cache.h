// What one session keeps between passes on the CPU: keys and values of the window, of the current chunk, and of the
// text.
//
// Note: [Two places for keys]. Attention does not depend on the order of keys, so the past lives in a ring of latent
// frames (sink frames first, never overwritten; then a ring whose oldest frame is overwritten), and the current chunk
// in a buffer of its own: a routed pass writes only its kept rows there, side by side. The chunk moves into the ring
// when the next one begins, as the reference evicts (causal_wan_dit.md section 7): until then the ring holds what the
// chunk attended to.
#ifndef VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_
#define VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_

#include <cstdint>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/cpu/float_buffer.h"

namespace videodiffcr::cpu {

struct LayerCache {
  FloatBuffer past_keys;  // [past slots, D] as cached: rotated, or not for window-relative positions
  // [past slots, D] window-relative positions only: turned to their place in this chunk's window.
  FloatBuffer past_keys_rotated;
  FloatBuffer past_values;       // [past slots, D]
  FloatBuffer chunk_keys;        // [chunk tokens, D] rotated
  FloatBuffer chunk_keys_plain;  // [chunk tokens, D] window-relative positions only: before rotation
  FloatBuffer chunk_values;      // [chunk tokens, D]
};

// Text keys and values of one prompt (causal_wan_dit.md section 11): the prompt's rows, then one row that stands for
// all padding rows, whose logit gets ln(count).
struct TextKeys {
  int64_t rows = 0;
  float last_row_bias = 0;
  std::vector<FloatBuffer> keys;    // [layer][rows, D]
  std::vector<FloatBuffer> values;  // [layer][rows, D]
};

class SessionCache {
 public:
  explicit SessionCache(const TransformerConfig& config);

  // Bytes that a cache of these sizes holds; all of it is taken by the constructor.
  static int64_t Bytes(const TransformerConfig& config);

  // Forgets everything: the next chunk looks back at nothing and is frame 0 again.
  void Reset();

  // Call before the first pass of a chunk, from one thread. Moves the chunk before (if its context pass ran) into the
  // ring and prepares the rotary tables. Returns how many frames the ring dropped.
  int64_t BeginChunk();
  // The part of BeginChunk() that may be split over threads: rotates the past keys of one layer to their places.
  void RotatePast(int64_t layer);

  // The context pass has written all rows of the current chunk.
  void MarkChunkComplete() { chunk_complete_ = true; }

  const TransformerConfig& config() const { return config_; }
  LayerCache& layer(int64_t index) { return layers_[index]; }
  const LayerCache& layer(int64_t index) const { return layers_[index]; }
  // Keys to attend to beside the chunk's own, [past_tokens(), D].
  const float* attended_past_keys(int64_t layer) const;
  int64_t past_tokens() const { return window_.visible(frames_committed_) * config_.tokens_per_frame(); }

  // cos and sin of the current chunk's tokens, [chunk tokens, head_dim / 2].
  const float* rotary_cos() const { return rotary_cos_.data(); }
  const float* rotary_sin() const { return rotary_sin_.data(); }

  // Cached keys or values of one layer in playing order (sink first), past then current chunk: [tokens, D]. For checks.
  FloatBuffer KeysInOrder(int64_t layer) const;
  FloatBuffer ValuesInOrder(int64_t layer) const;

 private:
  bool relative() const { return config_.rope_positions == RopePositions::kWindowRelative; }
  void CommitChunk();
  void FillRotaryTable(int64_t frame_position, int64_t frame_in_chunk);
  FloatBuffer InOrder(const FloatBuffer& past, const FloatBuffer& chunk) const;

  const TransformerConfig config_;
  const PastWindow window_;
  std::vector<LayerCache> layers_;
  FloatBuffer spatial_cos_, spatial_sin_;  // row and column part, [tokens per frame, pairs]
  FloatBuffer rotary_cos_, rotary_sin_;    // current chunk, [chunk tokens, pairs]
  FloatBuffer past_cos_, past_sin_;        // window-relative: by slot, [past slots, pairs]
  int64_t frames_committed_ = 0;
  bool chunk_complete_ = false;
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_
