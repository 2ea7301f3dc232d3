// A router's scores and which tokens they keep (videodiffcr.md sections 2.2 and 3), on the device: no count, no index
// visits the host.
//
// Promise: scores in fp32; the kept tokens are exactly those that SelectTokens() of model/plain/transformer/selection.h
// picks from the same scores: score falling, token number rising, NaN last, frame floor first; in ascending order.
#ifndef VIDEODIFFCR_MODEL_KERNELS_TOKEN_ROUTING_H_
#define VIDEODIFFCR_MODEL_KERNELS_TOKEN_ROUTING_H_

#include <cstdint>
#include <vector>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct RouterScoresCall {
  int tokens = 0;  // of the chunk
  int frames = 0;
  int width = 0;                    // r
  const float* channels = nullptr;  // [tokens, r]: LN(x) W_down, without the bias
  const float* bias = nullptr;      // [r]
  const float* mix = nullptr;       // [to frame, from frame, r]
  const float* score = nullptr;     // [r]
  float* scores = nullptr;          // [tokens]
};

void RouterScores(const RouterScoresCall& call, Stream stream);

enum class Gate { kNone, kSigmoid, kTwoSigmoid };

struct SelectTokensCall {
  int tokens = 0;  // at most kMostTokens
  int frames = 0;
  int kept_rows = 0;
  int floor_rows = 0;  // best rows of each frame that come first; 0: none
  Gate gate = Gate::kNone;
  const float* scores = nullptr;  // [tokens]
  int32_t* kept = nullptr;        // [kept_rows], ascending
  float* factor = nullptr;        // [kept_rows]; unused without a gate
  int32_t* place = nullptr;       // [tokens]: a token's place in `kept`, -1 without one; null: not wanted
};

inline constexpr int kMostTokens = 16384;

void SelectTokens(const SelectTokensCall& call, Stream stream);

// The same two calls on host memory.
void PlainRouterScores(const RouterScoresCall& call);
void PlainSelectTokens(const SelectTokensCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_TOKEN_ROUTING_H_
