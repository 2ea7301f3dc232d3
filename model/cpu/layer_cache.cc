#include "model/cpu/layer_cache.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace videodiffcr::cpu {
namespace {

bool IsRelative(const TransformerConfig& config) { return config.rope_positions == RopePositions::kWindowRelative; }

// The best by (score falling, token rising), beside all of the first `sink_tokens`. In no order.
void ChooseTokens(int64_t tokens, int64_t sink_tokens, const LayerCache& layer, std::vector<int32_t>& kept) {
  kept.resize(static_cast<size_t>(tokens));
  std::iota(kept.begin(), kept.end(), 0);
  const int64_t count = sink_tokens + KeptKeys(layer.chunk_percent, tokens - sink_tokens);
  if (count == tokens) return;
  const FloatBuffer& scores = layer.chunk_scores;
  std::nth_element(kept.begin() + sink_tokens, kept.begin() + count - 1, kept.end(),
                   [&scores](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  kept.resize(static_cast<size_t>(count));
}

// Fills arriving, by place, and slot_is_new.
void FindPlaces(const TransformerConfig& config, int64_t frames_before, CommitLists& lists) {
  const PastWindow window = MakePastWindow(config);
  const int64_t total = frames_before + config.chunk_frames, in_frame = config.tokens_per_frame();
  std::fill(lists.slot_is_new.begin(), lists.slot_is_new.end(), char{0});
  for (int64_t frame = frames_before; frame < total; ++frame) {
    if (window.is_visible(frame, total)) lists.slot_is_new[static_cast<size_t>(window.slot(frame))] = 1;
  }
  lists.arriving.clear();
  for (const int32_t token : lists.kept) {
    const int64_t frame = frames_before + token / in_frame;
    if (!window.is_visible(frame, total)) continue;  // a ring shorter than a chunk
    lists.arriving.emplace_back(static_cast<int32_t>(window.slot(frame) * in_frame + token % in_frame), token);
  }
  std::sort(lists.arriving.begin(), lists.arriving.end());
}

// Row `row` of the past becomes that of `place` and `token`.
void PutRow(const TransformerConfig& config, std::pair<int32_t, int32_t> place_and_token, int64_t row,
            LayerCache& layer) {
  const int64_t dim = config.dim, from = place_and_token.second * dim;
  const FloatBuffer& keys = IsRelative(config) ? layer.chunk_keys_plain : layer.chunk_keys;
  std::copy_n(keys.data() + from, dim, layer.past_keys.data() + row * dim);
  std::copy_n(layer.chunk_values.data() + from, dim, layer.past_values.data() + row * dim);
  layer.past_places[static_cast<size_t>(row)] = place_and_token.first;
}

// Takes the rows `left_over`, in rising order, out: the last rows move into them.
void CloseGaps(int64_t dim, std::vector<int32_t>& left_over, LayerCache& layer) {
  for (size_t next = 0; next < left_over.size();) {
    const int32_t last = static_cast<int32_t>(layer.past_rows()) - 1;
    if (left_over.back() == last) {
      left_over.pop_back();
    } else {
      const int32_t row = left_over[next++];
      std::copy_n(layer.past_keys.data() + last * dim, dim, layer.past_keys.data() + row * dim);
      std::copy_n(layer.past_values.data() + last * dim, dim, layer.past_values.data() + row * dim);
      layer.past_places[static_cast<size_t>(row)] = layer.past_places[static_cast<size_t>(last)];
    }
    layer.past_places.pop_back();
  }
}

}  // namespace

LayerCache::LayerCache(const TransformerConfig& config, int most_percent, bool ranked) {
  const int64_t room = MostPastKeys(config, most_percent), tokens = config.tokens_per_chunk();
  past_keys.resize(room * config.dim);
  past_values.resize(room * config.dim);
  past_places.reserve(static_cast<size_t>(room));
  chunk_keys.resize(tokens * config.dim);
  chunk_values.resize(tokens * config.dim);
  if (IsRelative(config)) {
    past_keys_rotated.resize(room * config.dim);
    chunk_keys_plain.resize(tokens * config.dim);
  }
  if (ranked) chunk_scores.resize(tokens);
}

int64_t LayerCache::Bytes(const TransformerConfig& config, int most_percent, bool ranked) {
  const int64_t room = MostPastKeys(config, most_percent), tokens = config.tokens_per_chunk();
  const int64_t values = (room + tokens) * config.dim * (IsRelative(config) ? 3 : 2) + (ranked ? tokens : 0);
  return values * static_cast<int64_t>(sizeof(float)) + room * static_cast<int64_t>(sizeof(int32_t));
}

CommitLists::CommitLists(const TransformerConfig& config)
    : slot_is_new(static_cast<size_t>(MakePastWindow(config).capacity_frames)) {
  kept.reserve(static_cast<size_t>(config.tokens_per_chunk()));
  arriving.reserve(static_cast<size_t>(config.tokens_per_chunk()));
  left_over.reserve(static_cast<size_t>(config.window_tokens()));
}

int64_t CommitChunk(const TransformerConfig& config, int64_t frames_before, CommitLists& lists, LayerCache& layer) {
  const int64_t in_frame = config.tokens_per_frame(), before = layer.past_rows();
  const int64_t sink_frames = std::clamp<int64_t>(config.sink_frames - frames_before, 0, config.chunk_frames);
  ChooseTokens(config.tokens_per_chunk(), sink_frames * in_frame, layer, lists.kept);
  FindPlaces(config, frames_before, lists);
  size_t next = 0;
  int64_t left = static_cast<int64_t>(lists.kept.size() - lists.arriving.size());  // without ever having been there
  lists.left_over.clear();
  for (int64_t row = 0; row < before; ++row) {
    const int32_t place = layer.past_places[static_cast<size_t>(row)];
    if (lists.slot_is_new[static_cast<size_t>(place / in_frame)] == 0) continue;
    ++left;  // a new frame has the slot
    if (next < lists.arriving.size()) {
      PutRow(config, lists.arriving[next++], row, layer);
    } else {
      lists.left_over.push_back(static_cast<int32_t>(row));
    }
  }
  CloseGaps(config.dim, lists.left_over, layer);
  for (; next < lists.arriving.size(); ++next) {
    assert(layer.past_places.size() < layer.past_places.capacity());
    layer.past_places.push_back(0);
    PutRow(config, lists.arriving[next], layer.past_rows() - 1, layer);
  }
  return left;
}

}  // namespace videodiffcr::cpu
