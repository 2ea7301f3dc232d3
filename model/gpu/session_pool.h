// Everything sessions keep on the GPU between passes, taken once: a pool of slots, one per session. A plan that runs
// allocates nothing and a session's end gives back its slot at once.
//
// Note: [One run of keys]. A slot's keys lie as [past | current chunk] without a gap, so one attention call sees them
// as one run: frames of the past in ring order (model/config/kv_window.h; attention does not care), then the
// chunk, of which a routed pass writes only as many rows as it keeps. While the window fills up, the chunk already lies
// where its frames will stay; once it is full, the chunk's frames move into the ring when the next chunk begins.
// Where blocks keep a share of each chunk alone, its best rows move there, and the past ends where they end
// (model/gpu/compact_pasts.h).
#ifndef VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_
#define VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/gpu/compact_pasts.h"
#include "model/gpu/past_rows.h"
#include "model/gpu/precision.h"
#include "model/kernels/element.h"

namespace videodiffcr::gpu {

struct SlotState {
  int64_t frames_committed = 0;
  bool chunk_complete = false;  // its context pass ran
  int text_rows = 0;            // keys of the prompt, the one for padding included
};

class SessionPool {
 public:
  // `key_element`: of cached keys and values. Window-relative positions need fp32 or bfloat16 keys. Of `retention` only
  // the shares of the cache count, and which budgets there are; CheckCacheRetention() is fine with them.
  SessionPool(const TransformerConfig& config, Precision precision, kernels::Element key_element, int slots,
              const RetentionConfig& retention = {});

  // Device bytes of one slot, and of that the part that is KV cache.
  static int64_t SlotBytes(const TransformerConfig& config, Precision precision, kernels::Element key_element,
                           const RetentionConfig& retention = {});
  static int64_t KeyBytes(const TransformerConfig& config, kernels::Element key_element,
                          const RetentionConfig& retention = {});

  int slots() const { return static_cast<int>(states_.size()); }
  SlotState& state(int slot) { return states_[slot]; }
  const SlotState& state(int slot) const { return states_[slot]; }
  // For a new scene. Queues work on the current stream.
  void Reset(int slot);
  // For a new owner. Empties the rows that attention reads whole tiles of, past a run's end too: a NaN that the last
  // owner left there would be multiplied by zero, and stay one. Queues work on the current stream.
  void Clear(int slot);

  // Before the first pass of a chunk: moves the finished chunk into the ring, turns window-relative keys, and fills the
  // chunk's rotary table. Queues work on `stream`; returns how many keys the window dropped, mean over blocks.
  int64_t BeginChunk(int slot, kernels::Stream stream);
  // The context pass has been queued. `shares` as FindCacheShares() gives them; `seed` of the session, for
  // CacheScore::kRandom.
  void MarkChunkComplete(int slot, const CacheShares* shares, uint64_t seed, kernels::Stream stream);

  kernels::Element key_element() const { return key_element_; }
  // The first row of a slot in a layer's pool, and how many the layer's past has from there on: behind them the chunk.
  int64_t key_row(int slot, int64_t layer) const { return slot * layout_.slot_rows[layer]; }
  int64_t past_rows(int slot, int64_t layer) const;
  // Of all layers, and what they would be if everything stayed.
  int64_t all_past_rows(int slot) const;
  int64_t all_past_rows_whole(int slot) const;
  at::Tensor keys(int64_t layer) const { return OfLayer(pools_.keys, layer); }  // [rows of all slots, D]
  at::Tensor values(int64_t layer) const { return OfLayer(pools_.values, layer); }
  bool relative() const { return pools_.plain_keys.defined(); }
  at::Tensor plain_keys(int64_t layer) const { return OfLayer(pools_.plain_keys, layer); }  // the same
  int64_t plain_chunk_row(int slot, int64_t layer) const {
    return key_row(slot, layer) + layout_.most_past_rows[layer];
  }
  // Scores of the chunk's keys for CacheScore::kRouter, [chunk tokens] fp32; only where less than everything stays.
  at::Tensor cache_scores(int slot, int64_t layer) const { return compact_->scores(slot, layer); }

  at::Tensor text_keys(int64_t layer) const { return text_keys_[layer]; }  // [slots * text_len, D]
  at::Tensor text_values(int64_t layer) const { return text_values_[layer]; }
  at::Tensor text_bias() const { return text_bias_; }  // [slots] fp32: ln of the padding rows behind the last key

  at::Tensor rotary_cos(int slot) const { return rotary_[0][slot]; }  // [chunk tokens, head_dim / 2]
  at::Tensor rotary_sin(int slot) const { return rotary_[1][slot]; }
  at::Tensor latents(int slot) const { return latents_[slot]; }  // [chunk frames, C, h, w] fp32

 private:
  at::Tensor OfLayer(const at::Tensor& pool, int64_t layer) const;
  int64_t row_bytes() const;
  int64_t past_tokens(int slot) const;
  int64_t CommitChunk(int slot, kernels::Stream stream);
  // The same two where everything stays.
  void CommitWholeChunk(int slot, kernels::Stream stream);
  void TurnWholePast(int slot, kernels::Stream stream);

  const TransformerConfig config_;
  const PastWindow window_;
  const kernels::Element key_element_;
  const KeyLayout layout_;
  std::vector<SlotState> states_;
  KeyPools pools_;
  std::unique_ptr<CompactPasts> compact_;  // null: everything stays
  at::Tensor text_keys_, text_values_;     // [layers, slots * text_len, D]
  at::Tensor text_bias_;
  at::Tensor rotary_;         // [2, slots, chunk tokens, head_dim / 2]
  at::Tensor window_rotary_;  // [2, window tokens, head_dim / 2] from position 0; window-relative positions only
  at::Tensor latents_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_
