// The pasts of sessions of which blocks keep a share (videodiffcr.md section 9, 8): what the host counts, and beside it
// on the device the places of rows and the scores of the newest chunk. Keys and values lie in the session pool, as
// KeyLayout has them.
//
// Note: [Nothing is asked back]. A context pass leaves scores; when the next chunk begins, kernels find the best keys,
// the rows that they take, and move them, for all blocks in two launches. The host knows the counts without asking,
// since whole chunks join and leave, so attention is planned while the device is still at the context pass.
#ifndef VIDEODIFFCR_MODEL_GPU_COMPACT_PASTS_H_
#define VIDEODIFFCR_MODEL_GPU_COMPACT_PASTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/gpu/past_rows.h"
#include "model/kernels/compact_past.h"
#include "model/kernels/element.h"

namespace videodiffcr::gpu {

// Rows of keys of all layers and slots, [layout rows, D].
struct KeyPools {
  at::Tensor keys, values;
  at::Tensor plain_keys;  // window-relative positions only: keys before their turn
};

class CompactPasts {
 public:
  // `layout` outlives it. Takes its memory on the current device and waits for the copy of the layout.
  CompactPasts(const TransformerConfig& config, const CacheRetention& cache, const KeyLayout& layout, int slots);
  // Device bytes of a session.
  static int64_t SlotBytes(const TransformerConfig& config, const RetentionConfig& retention);

  const PastRows& rows(int slot) const { return rows_[slot]; }
  // [chunk tokens] fp32: the best stay. For CacheScore::kRouter the context pass writes them.
  at::Tensor scores(int slot, int64_t layer) const { return scores_[slot][layer]; }

  // Forgets the session's past. All work is queued on the current stream, here and, as `stream`, below.
  void Reset(int slot);
  // The context pass of the chunk behind `frames_before` frames has been queued: ranks its keys where no router did,
  // and remembers how many are to stay. `shares` as FindCacheShares() gives them.
  void Rank(int slot, uint64_t seed, int64_t frames_before, const CacheShares* shares, kernels::Element element,
            const KeyPools& pools, kernels::Stream stream);
  // That chunk joins the past. Returns how many rows left, mean over layers.
  int64_t Join(int slot, int64_t frames_before, int64_t row_bytes, const KeyPools& pools, kernels::Stream stream);
  // For window-relative positions: keys of the past as they turn when `frames` frames have been finished. cos and sin
  // [window tokens, head_dim / 2] from position 0.
  void Turn(int slot, int64_t frames, kernels::Element element, const float* cos, const float* sin,
            const KeyPools& pools, kernels::Stream stream);

 private:
  const TransformerConfig config_;
  const CacheScore score_;
  const KeptCounts counts_;
  std::vector<PastRows> rows_;     // [slots]
  std::vector<int> chunk_choice_;  // [slots] of counts_, of the chunk that joins next

  at::Tensor kept_;                    // [choices of counts_, layers] int32
  at::Tensor first_row_;               // [slots, layers] int64: where a session's rows begin in the pools
  at::Tensor chunk_behind_past_;       // [layers] int32: most_past_rows, where plain keys of the chunk lie
  at::Tensor places_;                  // [layout rows] int32
  at::Tensor past_rows_;               // [slots, layers] int32, what rows_ has
  at::Tensor scores_;                  // [slots, layers, chunk tokens] fp32
  at::Tensor moves_;                   // [layers, chunk tokens, 2] int32, of the commit at hand
  at::Tensor move_count_, chunk_row_;  // [layers] int32, the same
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_COMPACT_PASTS_H_
