// What one session keeps between passes on the CPU: keys and values of the window, of the current chunk, and of the
// text.
#ifndef VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_
#define VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_

#include <cstdint>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/config/retention_table.h"
#include "model/cpu/float_buffer.h"
#include "model/cpu/layer_cache.h"

namespace videodiffcr::cpu {

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
  // Of `retention` only the shares of the cache count, and which budgets there are.
  explicit SessionCache(const TransformerConfig& config, const RetentionConfig& retention = {});

  // Bytes that a cache of these sizes holds; all of it is taken by the constructor.
  static int64_t Bytes(const TransformerConfig& config, const RetentionConfig& retention = {});

  // Forgets everything: the next chunk looks back at nothing and is frame 0 again.
  void Reset();

  // Call before the first pass of a chunk, from one thread. Moves the chunk before (if its context pass ran) into the
  // ring, of each block what is to stay, and prepares the rotary tables. Returns how many keys left, mean over blocks.
  int64_t BeginChunk();
  // The part of BeginChunk() that may be split over threads: rotates the past keys of one layer to their places.
  void RotatePast(int64_t layer);

  // The context pass has written all rows of the current chunk, and scores where less than everything is to stay:
  // `shares` as FindCacheShares() gives them.
  void MarkChunkComplete(const CacheShares* shares = nullptr);

  const TransformerConfig& config() const { return config_; }
  LayerCache& layer(int64_t index) { return layers_[index]; }
  const LayerCache& layer(int64_t index) const { return layers_[index]; }
  // Keys to attend to beside the chunk's own, [layer(i).past_rows(), D].
  const float* attended_past_keys(int64_t layer) const;
  // Latent frames of the scene before the current chunk.
  int64_t frames_before() const { return frames_committed_; }
  // Rows of all blocks' pasts, and what they would be if everything stayed.
  int64_t past_rows() const;
  int64_t whole_past_rows() const;

  // cos and sin of the current chunk's tokens, [chunk tokens, head_dim / 2].
  const float* rotary_cos() const { return rotary_cos_.data(); }
  const float* rotary_sin() const { return rotary_sin_.data(); }

  // Cached keys or values of one layer in playing order (sink first), past then current chunk: [rows, D]. For checks.
  FloatBuffer KeysInOrder(int64_t layer) const;
  FloatBuffer ValuesInOrder(int64_t layer) const;

 private:
  bool relative() const { return config_.rope_positions == RopePositions::kWindowRelative; }
  int64_t CommitChunk();
  void FillRotaryTable(int64_t frame_position, int64_t frame_in_chunk);
  FloatBuffer InOrder(const LayerCache& layer, const FloatBuffer& past, const FloatBuffer& chunk) const;

  const TransformerConfig config_;
  const PastWindow window_;
  std::vector<LayerCache> layers_;
  CommitLists lists_;
  FloatBuffer spatial_cos_, spatial_sin_;  // row and column part, [tokens per frame, pairs]
  FloatBuffer rotary_cos_, rotary_sin_;    // current chunk, [chunk tokens, pairs]
  FloatBuffer past_cos_, past_sin_;        // window-relative: by slot, [past slots, pairs]
  int64_t frames_committed_ = 0;
  bool chunk_complete_ = false;
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_SESSION_CACHE_H_
