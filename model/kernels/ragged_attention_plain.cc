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

void PlainAttention(const float* queries, const float* keys, const float* values, int rows, int key_rows, int heads,
                    int head_dim, float last_key_bias, float* out) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  const int width = heads * head_dim;
  std::vector<float> weights(key_rows);
  for (int row = 0; row < rows; ++row) {
    for (int head = 0; head < heads; ++head) {
      const float* query = queries + row * width + head * head_dim;
      for (int key = 0; key < key_rows; ++key) {
        float dot = 0;
        for (int i = 0; i < head_dim; ++i) dot += query[i] * keys[key * width + head * head_dim + i];
        weights[key] = dot * scale + (key + 1 == key_rows ? last_key_bias : 0.0f);
      }
      const float largest = *std::max_element(weights.begin(), weights.end());
      float sum = 0;
      for (float& weight : weights) sum += weight = std::exp(weight - largest);
      float* result = out + row * width + head * head_dim;
      std::fill_n(result, head_dim, 0.0f);
      for (int key = 0; key < key_rows; ++key) {
        for (int i = 0; i < head_dim; ++i) {
          result[i] += weights[key] / sum * values[key * width + head * head_dim + i];
        }
      }
    }
  }
}

}  // namespace videodiffcr::kernels
