#include <algorithm>
#include <cmath>
#include <vector>

#include "model/kernels/ragged_attention.h"

namespace videodiffcr::kernels {

std::vector<int32_t> AttentionPlanWords(const AttentionPlan& plan) {
  std::vector<int32_t> words(plan.first_item);
  const auto append = [&](int32_t AttentionItem::*field) {
    for (const AttentionItem& item : plan.items) words.push_back(item.*field);
  };
  append(&AttentionItem::head);
  append(&AttentionItem::query_row);
  append(&AttentionItem::query_rows);
  append(&AttentionItem::key_row);
  append(&AttentionItem::key_rows);
  append(&AttentionItem::output_row);
  words.insert(words.end(), plan.items.size(), 0);  // tile number within the item: always its first
  for (const CutTile& tile : plan.cut_tiles) {
    words.insert(words.end(), {tile.head, tile.output_row, tile.rows, tile.first_extra, tile.extras});
  }
  words.insert(words.end(), plan.extra_part_rows.begin(), plan.extra_part_rows.end());
  return words;
}

namespace {

// One head of one query row over the session's keys.
void AttendRow(const AttentionCall& call, const AttentionSegment& segment, int64_t row, int head, float last_key_bias) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(call.head_dim));
  const int64_t width = int64_t{call.heads} * call.head_dim, first = segment.key_row, at = head * call.head_dim;
  const float* query = static_cast<const float*>(call.queries) + row * width + at;
  const float* keys = static_cast<const float*>(call.keys) + first * width + at;
  const float* values = static_cast<const float*>(call.values) + first * width + at;
  std::vector<float> weights(segment.key_rows);
  for (int key = 0; key < segment.key_rows; ++key) {
    float dot = 0;
    for (int i = 0; i < call.head_dim; ++i) dot += query[i] * keys[key * width + i];
    weights[key] = dot * scale + (key + 1 == segment.key_rows ? last_key_bias : 0.0f);
  }
  const float largest = *std::max_element(weights.begin(), weights.end());
  float sum = 0;
  for (float& weight : weights) sum += weight = std::exp(weight - largest);
  float* result = static_cast<float*>(call.out) + row * width + at;
  std::fill_n(result, call.head_dim, 0.0f);
  for (int key = 0; key < segment.key_rows; ++key) {
    for (int i = 0; i < call.head_dim; ++i) result[i] += weights[key] / sum * values[key * width + i];
  }
  if (call.log_sums != nullptr) call.log_sums[row * call.heads + head] = std::log2(sum) + largest / std::log(2.0f);
}

}  // namespace

void PlainRaggedAttention(const AttentionCall& call, const std::vector<AttentionSegment>& segments) {
  for (const AttentionSegment& segment : segments) {
    const float bias = call.last_key_bias == nullptr ? 0.0f : call.last_key_bias[segment.key_row / call.keys_per_bias];
    for (int row = 0; row < segment.query_rows; ++row) {
      for (int head = 0; head < call.heads; ++head) AttendRow(call, segment, segment.query_row + row, head, bias);
    }
  }
}

}  // namespace videodiffcr::kernels
