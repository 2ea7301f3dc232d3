// Which tokens of a chunk a routed block runs (videodiffcr.md sections 2 and 3): the router's scores, then the best of
// them, without a look from the host.
#ifndef VIDEODIFFCR_MODEL_GPU_TOKEN_CHOOSER_H_
#define VIDEODIFFCR_MODEL_GPU_TOKEN_CHOOSER_H_

#include <ATen/core/Tensor.h>

#include "model/config/model_config.h"
#include "model/gpu/weights.h"

namespace videodiffcr::gpu {

class TokenChooser {
 public:
  // Takes the memory for the choices of `most_sessions`.
  TokenChooser(const TransformerConfig& config, const RetentionConfig& retention, int most_sessions);

  struct Chosen {
    at::Tensor kept;    // [kept rows] int32, ascending
    at::Tensor factor;  // [kept rows] fp32; undefined where routers do not gate
  };
  // All three queue work on the current stream. Scores of a session's chunk, for what follows until the next call:
  // `normed` [tokens, D] of the activations' type is LN(x) of the residual stream, without scale and shift.
  void Score(const GpuRouter& router, const at::Tensor& normed);
  // The best by these scores, for session number `session` of a pass; there until the next choice for that session.
  Chosen Choose(int session, int kept_rows);
  // These scores into `scores` [tokens] fp32.
  void CopyScores(const at::Tensor& scores) const;
  // Of the last choice for that session: each token's place among the kept ones, -1 without one, [tokens] int32.
  at::Tensor places(int session) const { return places_[session]; }

 private:
  const TransformerConfig config_;
  const RetentionConfig retention_;
  at::Tensor channels_, scores_;  // [chunk tokens, r] fp32, [chunk tokens] fp32
  at::Tensor kept_, places_;      // [sessions, chunk tokens] int32
  at::Tensor factor_;             // [sessions, chunk tokens] fp32
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_TOKEN_CHOOSER_H_
