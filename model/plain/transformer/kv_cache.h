// Keys and values of the finished chunks of one video, in the order of age. The plain path never writes in place, so a
// cache is a value: a copy shares its tensors and stays as it was. Where less than everything is kept (cache_ranking.h)
// all rows are still here, so that a row is a place in the window; those that went are marked as not to be seen.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_KV_CACHE_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_KV_CACHE_H_

#include <cstdint>
#include <vector>

#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/plain/transformer/attention.h"

namespace videodiffcr {

class KvCache {
 public:
  explicit KvCache(const TransformerConfig& config);

  // Latent frames ever appended: the absolute number of the next chunk's first frame.
  int64_t finished_frames() const { return finished_; }

  // What the next chunk sees before itself, one entry per block: sink first, then oldest to newest. Empty when nothing.
  const std::vector<KeysValues>& past() const { return past_; }

  // Takes the keys of a finished chunk, from its context pass: one entry per block, [B, all N rows, N heads, d].
  void Append(const std::vector<KeysValues>& chunk);

  // past() as it was for the chunk appended last, then that chunk: the whole window, as the reference's cache holds it.
  std::vector<KeysValues> Window() const;

 private:
  const int64_t tokens_per_frame_;
  PastWindow window_;
  int64_t finished_ = 0;
  std::vector<KeysValues> past_;
  std::vector<KeysValues> past_before_;  // of the chunk appended last
  std::vector<KeysValues> last_;         // that chunk
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_KV_CACHE_H_
