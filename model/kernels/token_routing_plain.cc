#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/kernels/token_routing.h"

namespace videodiffcr::kernels {

void PlainRouterScores(const RouterScoresCall& call) {
  const int sites = call.tokens / call.frames;
  for (int token = 0; token < call.tokens; ++token) {
    const int to = token / sites, site = token % sites;
    float score = 0;
    for (int c = 0; c < call.width; ++c) {
      float mixed = 0;
      for (int from = 0; from < call.frames; ++from) {
        const float channel = call.channels[(from * sites + site) * call.width + c] + call.bias[c];
        mixed += call.mix[(to * call.frames + from) * call.width + c] * channel;
      }
      score += mixed / (1.0f + std::exp(-mixed)) * call.score[c];
    }
    call.scores[token] = score;
  }
}

std::vector<int32_t> PlainSelectTokens(const float* scores, int tokens, int frames, int kept_rows, int floor_rows) {
  std::vector<int32_t> ranking(tokens);
  std::iota(ranking.begin(), ranking.end(), 0);
  const auto value = [scores](int32_t token) { return std::isnan(scores[token]) ? -INFINITY : scores[token]; };
  std::stable_sort(ranking.begin(), ranking.end(), [&](int32_t a, int32_t b) { return value(a) > value(b); });
  const int sites = tokens / frames;
  std::vector<int> seen(frames, 0);
  std::stable_partition(ranking.begin(), ranking.end(),
                        [&](int32_t token) { return seen[token / sites]++ < floor_rows; });
  ranking.resize(kept_rows);
  std::sort(ranking.begin(), ranking.end());
  return ranking;
}

}  // namespace videodiffcr::kernels
