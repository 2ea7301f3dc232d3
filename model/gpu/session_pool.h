// Everything sessions keep on the GPU between passes, taken once: a pool of slots, one per session. A plan that runs
// allocates nothing and a session's end gives back its slot at once.
//
// Note: [One run of keys]. A slot's keys lie as [past | current chunk] without a gap, so one attention call sees them
// as one run: frames of the past in ring order (model/config/kv_window.h; attention does not care), then the
// chunk, of which a routed pass writes only as many rows as it keeps. While the window fills up, the chunk already lies
// where its frames will stay; once it is full, the chunk's frames move into the ring when the next chunk begins.
#ifndef VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_
#define VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
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
  // `key_element`: of cached keys and values. Window-relative positions need fp32 or bfloat16 keys.
  SessionPool(const TransformerConfig& config, Precision precision, kernels::Element key_element, int slots);

  // Device bytes of one slot, and of that the part that is KV cache.
  static int64_t SlotBytes(const TransformerConfig& config, Precision precision, kernels::Element key_element);
  static int64_t KeyBytes(const TransformerConfig& config, kernels::Element key_element);

  int slots() const { return static_cast<int>(states_.size()); }
  SlotState& state(int slot) { return states_[slot]; }
  const SlotState& state(int slot) const { return states_[slot]; }
  void Reset(int slot);
  // For a new owner. Empties the rows that attention reads whole tiles of, past a run's end too: a NaN that the last
  // owner left there would be multiplied by zero, and stay one. Queues work on the current stream.
  void Clear(int slot);

  // Before the first pass of a chunk: moves the finished chunk into the ring, turns window-relative keys, and fills the
  // chunk's rotary table. Queues work on `stream`; returns the frames that the window dropped.
  int64_t BeginChunk(int slot, kernels::Stream stream);
  void MarkChunkComplete(int slot) { states_[slot].chunk_complete = true; }

  kernels::Element key_element() const { return key_element_; }
  // Rows of one layer's pool, all slots together, and the first of a slot.
  int64_t key_rows() const { return slots() * slot_rows_; }
  int64_t key_row(int slot) const { return slot * slot_rows_; }
  int64_t past_tokens(int slot) const;
  at::Tensor keys(int64_t layer) const { return keys_[layer]; }  // [key_rows(), D]
  at::Tensor values(int64_t layer) const { return values_[layer]; }
  bool relative() const { return plain_keys_.defined(); }
  at::Tensor plain_keys(int64_t layer) const { return plain_keys_[layer]; }  // [key_rows(), D]
  int64_t plain_chunk_row(int slot) const;

  at::Tensor text_keys(int64_t layer) const { return text_keys_[layer]; }  // [slots * text_len, D]
  at::Tensor text_values(int64_t layer) const { return text_values_[layer]; }
  at::Tensor text_bias() const { return text_bias_; }  // [slots] fp32: ln of the padding rows behind the last key

  at::Tensor rotary_cos(int slot) const { return rotary_[0][slot]; }  // [chunk tokens, head_dim / 2]
  at::Tensor rotary_sin(int slot) const { return rotary_[1][slot]; }
  at::Tensor latents(int slot) const { return latents_[slot]; }  // [chunk frames, C, h, w] fp32

 private:
  void CommitChunk(int slot, kernels::Stream stream);
  void TurnPast(int slot, kernels::Stream stream);

  const TransformerConfig config_;
  const PastWindow window_;
  const kernels::Element key_element_;
  const int64_t slot_rows_;
  std::vector<SlotState> states_;
  at::Tensor keys_, values_;            // [layers, slots * slot_rows, D]
  at::Tensor plain_keys_;               // the same with window-relative positions, else undefined
  at::Tensor text_keys_, text_values_;  // [layers, slots * text_len, D]
  at::Tensor text_bias_;
  at::Tensor rotary_;         // [2, slots, chunk tokens, head_dim / 2]
  at::Tensor window_rotary_;  // [2, window tokens, head_dim / 2] from position 0; window-relative positions only
  at::Tensor latents_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_SESSION_POOL_H_
