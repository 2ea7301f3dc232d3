// The plain reference of the GPU's compact past, and the counts that the host keeps beside it, against what the CPU
// path does with the same scores: the same rows in the same order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "model/cpu/layer_cache.h"
#include "model/gpu/past_rows.h"
#include "model/kernels/compact_past.h"

namespace videodiffcr {
namespace {

constexpr int64_t kLayers = 2;

TransformerConfig Config(int64_t window, int64_t sink, RopePositions positions) {
  TransformerConfig config;
  config.dim = 4;
  config.num_heads = 1;
  config.num_layers = kLayers;
  config.latent_height = 4;
  config.latent_width = 10;  // 30 tokens a chunk
  config.window_frames = window;
  config.sink_frames = sink;
  config.rope_positions = positions;
  return config;
}

RetentionConfig Retention() {
  RetentionConfig retention;
  retention.cache = {CacheScore::kRandom, {{10, {60, 30}}, {7, {10, 85}}}};
  retention.tables = {MakeRetentionTable(7, {7, 7}, {0, 0, 0, 0}), MakeRetentionTable(5, {5, 5}, {0, 0, 0, 0})};
  return retention;
}

// Pools as the GPU path has them, on the host: [past | chunk], plain keys apart.
struct GpuSide {
  GpuSide(const TransformerConfig& config, const RetentionConfig& retention)
      : config(config), layout(config, retention, /*slots=*/1), counts(config, retention.cache), rows(config) {
    const auto size = static_cast<size_t>(layout.rows());
    places.resize(size);
    keys.resize(size * config.dim);
    values.resize(size * config.dim);
  }

  bool relative() const { return config.rope_positions == RopePositions::kWindowRelative; }
  // Where a chunk's row begins in a pool.
  float* ChunkRow(std::vector<float>& pool, int64_t layer, int64_t token, bool plain) {
    const int64_t row = plain ? layout.most_past_rows[layer] : rows.rows(layer);
    return pool.data() + (layout.first_row[layer] + row + token) * config.dim;
  }

  // As CompactPasts::Join().
  int64_t Join(int64_t frames_before, const CacheShares* shares, const std::vector<float>& scores) {
    const int choice = rows.IsSink(frames_before) ? 0 : counts.ChoiceOf(shares);
    const int64_t left = rows.Join(frames_before, choice, counts);
    if (!rows.HasRoom(frames_before)) return left;
    const int tokens = static_cast<int>(config.tokens_per_chunk());
    std::vector<kernels::RowMove> moves(static_cast<size_t>(kLayers * tokens));
    std::vector<int32_t> move_count(kLayers), chunk_row(kLayers), behind_past(kLayers);
    kernels::PlaceKeysCall place;
    place.layers = kLayers;
    place.tokens = tokens;
    place.first_place = static_cast<int32_t>(rows.FirstSlot(frames_before) * config.tokens_per_frame());
    place.scores = scores.data();
    place.kept = counts.kept(choice).data();
    place.first_row = layout.first_row.data();
    place.places = places.data();
    place.past_rows = past_rows.data();
    place.chunk_row = chunk_row.data();
    place.moves = moves.data();
    place.move_count = move_count.data();
    kernels::PlainPlaceKeys(place);
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      behind_past[layer] = static_cast<int32_t>(layout.most_past_rows[layer]);
    }
    kernels::MoveKeysCall move;
    move.layers = kLayers;
    move.tokens = tokens;
    move.first_row = layout.first_row.data();
    move.moves = moves.data();
    move.move_count = move_count.data();
    move.pools = 2;
    move.pool[0] = values.data();
    move.chunk_row[0] = chunk_row.data();
    move.pool[1] = keys.data();
    move.chunk_row[1] = relative() ? behind_past.data() : chunk_row.data();
    move.row_bytes = config.dim * static_cast<int64_t>(sizeof(float));
    kernels::PlainMoveKeys(move);
    return left;
  }

  const TransformerConfig config;
  const gpu::KeyLayout layout;
  const gpu::KeptCounts counts;
  gpu::PastRows rows;
  std::vector<int32_t> places, past_rows = std::vector<int32_t>(kLayers, 0);
  std::vector<float> keys, values;  // keys: with window-relative positions the plain ones
};

void ExpectSamePast(const cpu::LayerCache& want, GpuSide& got, int64_t layer, int chunk) {
  ASSERT_EQ(got.rows.rows(layer), want.past_rows()) << "chunk " << chunk << ", layer " << layer;
  ASSERT_EQ(got.past_rows[layer], want.past_rows()) << "chunk " << chunk << ", layer " << layer;
  ASSERT_LE(want.past_rows(), got.layout.most_past_rows[layer]);
  const int64_t first = got.layout.first_row[layer], dim = got.config.dim;
  for (int64_t row = 0; row < want.past_rows(); ++row) {
    ASSERT_EQ(got.places[first + row], want.past_places[row]) << "chunk " << chunk << ", layer " << layer;
    ASSERT_EQ(got.keys[(first + row) * dim], want.past_keys[row * dim]) << "row " << row << ", chunk " << chunk;
    ASSERT_EQ(got.values[(first + row) * dim], want.past_values[row * dim]) << "row " << row << ", chunk " << chunk;
  }
}

// Eleven chunks at changing budgets; a chunk's rows carry numbers of their own.
void CompareOverChunks(const TransformerConfig& config) {
  const RetentionConfig retention = Retention();
  const std::vector<RetentionTenths> budgets = BudgetsOf(retention);
  GpuSide gpu(config, retention);
  std::vector<cpu::LayerCache> cpu;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    cpu.emplace_back(config, MostPercentKept(retention.cache, budgets, layer), /*ranked=*/true);
  }
  cpu::CommitLists lists(config);
  std::mt19937 random(3);
  const int64_t tokens = config.tokens_per_chunk();
  for (int chunk = 0; chunk < 11; ++chunk) {
    const CacheShares* shares = FindCacheShares(retention.cache, budgets[random() % budgets.size()]);
    std::vector<float> scores(static_cast<size_t>(kLayers * tokens));
    for (float& score : scores) score = static_cast<float>(random() % 5) - 2;  // many are equal
    scores[static_cast<size_t>(random() % scores.size())] = -INFINITY;
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      std::copy_n(scores.begin() + layer * tokens, tokens, cpu[layer].chunk_scores.begin());
      cpu[layer].chunk_percent = PercentKept(shares, layer);
      for (int64_t token = 0; token < tokens; ++token) {
        const auto number = static_cast<float>(1000 * layer + 40 * chunk + token);
        for (auto* keys : {&cpu[layer].chunk_keys, &cpu[layer].chunk_keys_plain}) {
          if (!keys->empty()) std::fill_n(keys->begin() + token * config.dim, config.dim, number);
        }
        std::fill_n(cpu[layer].chunk_values.begin() + token * config.dim, config.dim, -number);
        std::fill_n(gpu.ChunkRow(gpu.keys, layer, token, gpu.relative()), config.dim, number);
        std::fill_n(gpu.ChunkRow(gpu.values, layer, token, false), config.dim, -number);
      }
    }
    const int64_t frames_before = chunk * config.chunk_frames;
    int64_t left = 0;
    for (cpu::LayerCache& layer : cpu) left += cpu::CommitChunk(config, frames_before, lists, layer);
    EXPECT_EQ(gpu.Join(frames_before, shares, scores), left / kLayers) << "chunk " << chunk;
    for (int64_t layer = 0; layer < kLayers; ++layer) ExpectSamePast(cpu[layer], gpu, layer, chunk);
  }
}

TEST(CompactPastPlainTest, HoldsTheRowsThatTheCpuPathHoldsInTheirOrder) {
  for (const RopePositions positions : {RopePositions::kAbsolute, RopePositions::kWindowRelative}) {
    for (const int64_t window : {6, 9, 12, 21}) {
      for (int64_t sink = 0; sink + 3 <= window; sink += 3) {
        SCOPED_TRACE(testing::Message() << "window " << window << ", sink " << sink);
        CompareOverChunks(Config(window, sink, positions));
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace videodiffcr
