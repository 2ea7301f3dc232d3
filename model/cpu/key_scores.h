// Scores of a finished chunk's keys by what the context pass of a block has left in its buffers; the router's are
// CpuTransformer's (videodiffcr.md section 9, 8). One thread each: a chunk has few keys.
#ifndef VIDEODIFFCR_MODEL_CPU_KEY_SCORES_H_
#define VIDEODIFFCR_MODEL_CPU_KEY_SCORES_H_

#include <cstdint>

#include "model/config/model_config.h"

namespace videodiffcr::cpu {

// How much the chunk looks at each of its keys: softmax of the mean query, mean over heads, over the mean of the key's
// frame. queries [query_rows, D] and keys [chunk tokens, D], both rotated; scores [chunk tokens].
void ScoreBySaliency(const TransformerConfig& config, const float* queries, int64_t query_rows, const float* keys,
                     float* scores);

// Length of each key. keys [chunk tokens, D]; scores [chunk tokens].
void ScoreByKeyNorm(const TransformerConfig& config, const float* keys, float* scores);

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_KEY_SCORES_H_
