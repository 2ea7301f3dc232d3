// Which tokens of a chunk a routed block runs (videodiffcr.md sections 2 and 3): the router's scores, then the best of
// them. As one lane sees it; every lane comes to the same choice.
#ifndef VIDEODIFFCR_MODEL_CPU_TOKEN_CHOOSER_H_
#define VIDEODIFFCR_MODEL_CPU_TOKEN_CHOOSER_H_

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/cpu/float_buffer.h"
#include "model/cpu/weights.h"

namespace videodiffcr::cpu {

class TokenChooser {
 public:
  TokenChooser(const TransformerConfig& config, const RetentionConfig& retention);

  // Scores of the chunk whose residual stream is `x` [chunk tokens, D], for what follows until the next call.
  void Score(const PackedRouter& router, const float* x);
  // The `count` best by these scores.
  void Choose(int64_t count);

  const FloatBuffer& scores() const { return scores_; }                    // [chunk tokens]
  const FloatBuffer& normed() const { return normed_; }                    // [chunk tokens, D]: what routers see
  const std::vector<int32_t>& kept() const { return kept_; }               // [kept] token indices, ascending
  const float* factor() const { return gated_ ? gate_.data() : nullptr; }  // [kept]; null where routers do not gate

 private:
  const TransformerConfig config_;
  const RetentionConfig retention_;
  const bool gated_;
  FloatBuffer normed_, channels_, mixed_;  // [chunk tokens, D], twice [chunk tokens, r]
  FloatBuffer scores_, gate_;              // [chunk tokens]
  std::vector<int32_t> kept_;
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_TOKEN_CHOOSER_H_
