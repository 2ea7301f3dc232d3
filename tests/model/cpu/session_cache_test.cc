#include "model/cpu/session_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace videodiffcr::cpu {
namespace {

TransformerConfig Config(int64_t window, int64_t sink, RopePositions positions) {
  TransformerConfig config;
  config.in_dim = config.out_dim = 4;
  config.dim = 16;
  config.num_heads = 2;
  config.num_layers = 1;
  config.latent_height = 2;
  config.latent_width = 4;
  config.window_frames = window;
  config.sink_frames = sink;
  config.rope_positions = positions;
  return config;
}

// Writes `value` into all keys of the chunk, as a context pass does.
void WriteChunk(SessionCache& cache, float value) {
  LayerCache& layer = cache.layer(0);
  for (auto* keys : {&layer.chunk_keys, &layer.chunk_keys_plain, &layer.chunk_values})
    std::fill(keys->begin(), keys->end(), value);
  cache.MarkChunkComplete();
}

TEST(SessionCacheTest, EvictsTheOldestFramesAfterTheSinkAsTheReferenceDoes) {
  for (const int64_t window : {6, 7, 8, 12}) {
    for (int64_t sink = 0; sink <= window - 3; ++sink) {
      const TransformerConfig config = Config(window, sink, RopePositions::kAbsolute);
      SessionCache cache(config);
      std::deque<float> expected;  // frames in playing order, by value; reference: causal_wan_dit.md section 7
      for (int chunk = 0; chunk < 9; ++chunk) {
        cache.BeginChunk();
        for (int f = 0; f < 3; ++f) expected.push_back(static_cast<float>(chunk));
        while (static_cast<int64_t>(expected.size()) > window) expected.erase(expected.begin() + sink);
        WriteChunk(cache, static_cast<float>(chunk));
        const FloatBuffer keys = cache.KeysInOrder(0);
        const int64_t frame_values = config.tokens_per_frame() * config.dim;
        ASSERT_EQ(static_cast<int64_t>(keys.size()), static_cast<int64_t>(expected.size()) * frame_values);
        for (size_t f = 0; f < expected.size(); ++f)
          EXPECT_EQ(keys[f * frame_values], expected[f]) << window << " " << sink;
      }
    }
  }
}

TEST(SessionCacheTest, ACallWithoutAContextPassBeforeItCommitsNothing) {
  SessionCache cache(Config(12, 3, RopePositions::kWindowRelative));
  cache.BeginChunk();
  cache.BeginChunk();
  EXPECT_EQ(cache.past_rows(), 0);
  WriteChunk(cache, 1);
  EXPECT_EQ(cache.BeginChunk(), 0);
  EXPECT_EQ(cache.past_rows(), 3 * 2);
}

TEST(SessionCacheTest, AResetForgetsThePastAndStartsAtPositionZero) {
  SessionCache cache(Config(12, 3, RopePositions::kWindowRelative)),
      fresh(Config(12, 3, RopePositions::kWindowRelative));
  for (int chunk = 0; chunk < 3; ++chunk) {
    cache.BeginChunk();
    WriteChunk(cache, 1);
  }
  cache.Reset();
  cache.BeginChunk();
  fresh.BeginChunk();
  EXPECT_EQ(cache.past_rows(), 0);
  EXPECT_TRUE(std::equal(cache.rotary_cos(), cache.rotary_cos() + 6 * 4, fresh.rotary_cos()));
}

TEST(SessionCacheTest, CountsEvictedKeysAndHoldsTheBytesItPromised) {
  const TransformerConfig config = Config(6, 1, RopePositions::kAbsolute);
  SessionCache cache(config);
  int64_t evicted = 0;
  for (int chunk = 0; chunk < 5; ++chunk) {
    evicted += cache.BeginChunk();
    WriteChunk(cache, 0);
  }
  EXPECT_EQ(evicted, (4 * 3 - 3) * config.tokens_per_frame());
  const LayerCache& layer = cache.layer(0);
  const int64_t keys =
      4 * (layer.past_keys.size() + layer.past_values.size() + layer.chunk_keys.size() + layer.chunk_values.size());
  EXPECT_GE(SessionCache::Bytes(config), keys);
  EXPECT_LE(SessionCache::Bytes(config), keys + 4096);
}

// Keys with the best scores in `order`, by chunk and token: what a past has to hold.
TEST(SessionCacheTest, HoldsTheBestOfEachChunkSideBySideInHalfTheMemory) {
  const TransformerConfig config = Config(10, 1, RopePositions::kWindowRelative);
  RetentionConfig retention;
  retention.cache = UniformCacheRetention(CacheScore::kRandom, 50, {10});
  SessionCache cache(config, retention);
  for (int chunk = 0; chunk < 7; ++chunk) {
    cache.BeginChunk();
    LayerCache& layer = cache.layer(0);
    for (int64_t token = 0; token < 6; ++token) {  // two tokens per frame; the second of each is the better one
      const float value = static_cast<float>(10 * chunk + token);
      for (auto* rows : {&layer.chunk_keys, &layer.chunk_keys_plain, &layer.chunk_values}) {
        std::fill_n(rows->begin() + token * config.dim, config.dim, value);
      }
      layer.chunk_scores[token] = token % 2 == 1 ? 2.0f - static_cast<float>(token) / 10 : 0.0f;
    }
    cache.MarkChunkComplete(FindCacheShares(retention.cache, 10));
  }
  cache.BeginChunk();
  std::vector<float> held;
  const FloatBuffer keys = cache.KeysInOrder(0);
  for (size_t row = 0; row < keys.size(); row += config.dim) held.push_back(keys[row]);
  // The sink's two; of seven chunks the past has room for the newest two.
  EXPECT_EQ(held, (std::vector<float>{0, 1, 51, 53, 55, 61, 63, 65}));
  EXPECT_EQ(cache.past_rows(), 8);
  EXPECT_EQ(cache.whole_past_rows(), 14);
  EXPECT_EQ(cache.layer(0).past_keys.size(), 8u * config.dim);
  const int64_t whole_rows = 3 * 4 * (14 + 6) * config.dim, half_rows = 3 * 4 * (8 + 6) * config.dim;
  EXPECT_NEAR(SessionCache::Bytes(config) - SessionCache::Bytes(config, retention), whole_rows - half_rows, 100);
}

}  // namespace
}  // namespace videodiffcr::cpu
