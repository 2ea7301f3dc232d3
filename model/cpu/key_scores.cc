#include "model/cpu/key_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace videodiffcr::cpu {
namespace {

// What cannot be compared comes last.
float Comparable(double score) {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : static_cast<float>(score);
}

double Dot(const double* a, const float* b, int64_t count) { return std::inner_product(b, b + count, a, 0.0); }

}  // namespace

void ScoreBySaliency(const TransformerConfig& config, const float* queries, int64_t query_rows, const float* keys,
                     float* scores) {
  const int64_t dim = config.dim, head_dim = config.head_dim(), tokens = config.tokens_per_chunk();
  std::vector<double> mean_query(static_cast<size_t>(dim), 0.0), weights(static_cast<size_t>(tokens)),
      looked_at(static_cast<size_t>(tokens), 0.0);
  for (int64_t row = 0; row < query_rows; ++row) {
    for (int64_t i = 0; i < dim; ++i) mean_query[i] += queries[row * dim + i];
  }
  const double scale = 1.0 / (static_cast<double>(query_rows) * std::sqrt(static_cast<double>(head_dim)));
  for (int64_t offset = 0; offset < dim; offset += head_dim) {
    for (int64_t token = 0; token < tokens; ++token) {
      weights[token] = scale * Dot(mean_query.data() + offset, keys + token * dim + offset, head_dim);
    }
    const double most = *std::max_element(weights.begin(), weights.end());
    for (double& weight : weights) weight = std::exp(weight - most);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (int64_t token = 0; token < tokens; ++token) looked_at[token] += weights[token] / sum;
  }
  const int64_t in_frame = config.tokens_per_frame();
  for (int64_t first = 0; first < tokens; first += in_frame) {
    const auto begin = looked_at.begin() + first;
    const double mean = std::accumulate(begin, begin + in_frame, 0.0) / static_cast<double>(in_frame);
    for (int64_t i = 0; i < in_frame; ++i) scores[first + i] = Comparable(begin[i] / mean);
  }
}

void ScoreByKeyNorm(const TransformerConfig& config, const float* keys, float* scores) {
  for (int64_t token = 0; token < config.tokens_per_chunk(); ++token) {
    const float* key = keys + token * config.dim;
    scores[token] = Comparable(std::sqrt(std::inner_product(key, key + config.dim, key, 0.0)));
  }
}

}  // namespace videodiffcr::cpu
