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

namespace {

// All tokens, the best first: by score, then by number; NaN counts as minus infinity.
std::vector<int32_t> Ranking(const SelectTokensCall& call) {
  std::vector<int32_t> ranking(call.tokens);
  std::iota(ranking.begin(), ranking.end(), 0);
  const auto value = [&call](int32_t token) { return std::isnan(call.scores[token]) ? -INFINITY : call.scores[token]; };
  std::stable_sort(ranking.begin(), ranking.end(), [&](int32_t a, int32_t b) { return value(a) > value(b); });
  return ranking;
}

}  // namespace

void PlainSelectTokens(const SelectTokensCall& call) {
  std::vector<int32_t> ranking = Ranking(call);
  const int sites = call.tokens / call.frames;
  std::vector<int> seen(call.frames, 0);
  std::stable_partition(ranking.begin(), ranking.end(),
                        [&](int32_t token) { return seen[token / sites]++ < call.floor_rows; });
  ranking.resize(call.kept_rows);
  std::sort(ranking.begin(), ranking.end());
  if (call.place != nullptr) std::fill_n(call.place, call.tokens, -1);
  for (int i = 0; i < call.kept_rows; ++i) {
    call.kept[i] = ranking[i];
    if (call.place != nullptr) call.place[ranking[i]] = i;
    if (call.gate == Gate::kNone) continue;
    const float sigmoid = 1.0f / (1.0f + std::exp(-call.scores[ranking[i]]));
    call.factor[i] = call.gate == Gate::kTwoSigmoid ? 2.0f * sigmoid : sigmoid;
  }
}

}  // namespace videodiffcr::kernels
