// Where cached keys lie on the GPU, block by block, and how many rows each block's past has: pure arithmetic, so that
// it can be tested without a GPU. What the host knows of retention of the cache is here: counts. Which rows they are
// only the device knows (model/kernels/compact_past.h).
#ifndef VIDEODIFFCR_MODEL_GPU_PAST_ROWS_H_
#define VIDEODIFFCR_MODEL_GPU_PAST_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/config/kv_window.h"
#include "model/config/model_config.h"

namespace videodiffcr::gpu {

// The GPU path keeps counts on the host, so whole chunks must join and leave: window and sink are multiples of the
// chunk. And it ranks keys by router, by length or by chance. FailedPrecondition that names the setting otherwise.
absl::Status CheckCacheRetention(const TransformerConfig& config, const CacheRetention& cache);

// Rows of a pool of keys: layer after layer, in each layer slot after slot, in each slot [past | current chunk].
struct KeyLayout {
  KeyLayout(const TransformerConfig& config, const RetentionConfig& retention, int slots);
  // Of one slot, all layers together.
  static int64_t SlotRows(const TransformerConfig& config, const RetentionConfig& retention);

  int64_t rows() const { return first_row.back(); }

  std::vector<int64_t> most_past_rows;  // [layers]
  std::vector<int64_t> slot_rows;       // [layers]
  std::vector<int64_t> first_row;       // [layers + 1] of each layer
};

// How many rows a chunk leaves, by what was set for its budget.
class KeptCounts {
 public:
  KeptCounts(const TransformerConfig& config, const CacheRetention& cache);

  int choices() const { return static_cast<int>(kept_.size()); }
  // `shares` as FindCacheShares() gives them. Choice 0 keeps everything.
  int ChoiceOf(const CacheShares* shares) const;
  const std::vector<int32_t>& kept(int choice) const { return kept_[choice]; }  // [layers] of a chunk outside the sink

 private:
  std::vector<RetentionTenths> budgets_;    // of choices 1 and up
  std::vector<std::vector<int32_t>> kept_;  // [choice][layer]
};

// Of one session whose chunks are kept by share.
class PastRows {
 public:
  explicit PastRows(const TransformerConfig& config);

  void Reset();
  // A chunk joins the past behind `frames_before` frames; in its sink everything stays. Returns how many rows left,
  // mean over layers: those of a chunk whose frames leave, or the chunk's own where the window has no room for it.
  int64_t Join(int64_t frames_before, int choice, const KeptCounts& counts);
  // Whether the window has room for a chunk behind so many frames, and the slot of its first frame then.
  bool HasRoom(int64_t frames_before) const;
  int64_t FirstSlot(int64_t frames_before) const { return window_.slot(frames_before); }
  bool IsSink(int64_t frames_before) const { return frames_before < window_.sink_frames; }

  int64_t rows(int64_t layer) const { return rows_[layer]; }
  int64_t most_rows() const;
  int64_t all_rows() const;

 private:
  const PastWindow window_;
  const int64_t chunk_frames_;
  std::vector<int64_t> rows_;  // [layers]
  std::vector<int> ring_;      // choice of the chunk at each place of the ring, -1: none
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_PAST_ROWS_H_
