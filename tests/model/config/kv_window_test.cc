#include "model/config/kv_window.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

static_assert(PastWindow{18, 0}.evicted(18, 3) == 3 && PastWindow{18, 0}.evicted(15, 3) == 0);

TEST(PastWindowTest, KeepsTheSinkAndTheNewestFramesInDistinctSlots) {
  for (int64_t capacity = 1; capacity <= 9; ++capacity) {
    for (int64_t sink = 0; sink < capacity; ++sink) {
      const PastWindow window{capacity, sink};
      for (int64_t total = 0; total < 40; ++total) {
        std::vector<int64_t> slots;
        int64_t position = 0;
        for (int64_t frame = 0; frame < total; ++frame) {
          const bool expected = frame < sink || total - frame <= capacity - sink;
          ASSERT_EQ(window.is_visible(frame, total), expected)
              << capacity << " " << sink << " " << total << " " << frame;
          if (!expected) continue;
          EXPECT_EQ(window.window_position(frame, total), position++);
          slots.push_back(window.slot(frame));
        }
        EXPECT_EQ(static_cast<int64_t>(slots.size()), window.visible(total));
        std::sort(slots.begin(), slots.end());
        for (size_t i = 0; i < slots.size(); ++i)
          EXPECT_EQ(slots[i], static_cast<int64_t>(i)) << "slots in use have no gap";
      }
    }
  }
}

// Chunk after chunk, whose kept keys lie in as few frames as they can: that is when most of a part of a chunk stays.
TEST(PastWindowTest, NoPastHoldsMoreKeysThanIsSaid) {
  TransformerConfig config;
  config.latent_height = config.latent_width = 8;  // 16 tokens per frame
  const int64_t in_frame = config.tokens_per_frame();
  for (config.window_frames = 3; config.window_frames <= 14; ++config.window_frames) {
    for (config.sink_frames = 0; config.sink_frames <= config.window_frames - 3; ++config.sink_frames) {
      for (const int percent : {1, 25, 40, 50, 75, 99, 100}) {
        const PastWindow window = MakePastWindow(config);
        int64_t most = 0;
        std::vector<int64_t> kept;  // keys of each frame
        for (int64_t total = 3; total < 45; total += 3) {
          int64_t left = 0;
          for (int64_t frame = total - 3; frame < total; ++frame) left += frame >= config.sink_frames ? 1 : 0;
          left = KeptKeysOfFrames(config, percent, left);
          kept.resize(static_cast<size_t>(total));
          for (int64_t frame = total - 1; frame >= total - 3; --frame) {  // the newest go last
            const int64_t own = frame < config.sink_frames ? in_frame : std::min(in_frame, left);
            kept[static_cast<size_t>(frame)] = own;
            if (frame >= config.sink_frames) left -= own;
          }
          int64_t held = 0;
          for (int64_t frame = 0; frame < total; ++frame) {
            if (window.is_visible(frame, total)) held += kept[static_cast<size_t>(frame)];
          }
          most = std::max(most, held);
        }
        EXPECT_EQ(MostPastKeys(config, percent), most)
            << config.window_frames << " " << config.sink_frames << " " << percent;
      }
    }
  }
}

// causal_wan_dit.md section 7, the reference's own counters and shifts, played through in frames.
TEST(PastWindowTest, HoldsWhatTheReferencesShiftingCacheHolds) {
  constexpr int64_t kChunk = 3;
  for (int64_t window = 4; window <= 14; ++window) {
    for (int64_t sink = 0; sink + kChunk <= window; ++sink) {
      const PastWindow past{window - kChunk, sink};
      std::vector<int64_t> cache;  // of the reference: absolute frames in slot order
      for (int64_t total = 0; total < 40; total += kChunk) {
        const int64_t before = std::min<int64_t>(total, static_cast<int64_t>(cache.size()));
        const int64_t evict = std::max<int64_t>(0, before + kChunk - window);
        cache.erase(cache.begin() + sink, cache.begin() + sink + evict);

        std::vector<int64_t> ours;
        for (int64_t frame = 0; frame < total; ++frame) {
          if (past.is_visible(frame, total)) ours.push_back(frame);
        }
        EXPECT_EQ(ours, cache) << "window " << window << ", sink " << sink << ", chunk at frame " << total;
        for (int64_t frame = total; frame < total + kChunk; ++frame) cache.push_back(frame);
      }
    }
  }
}

TEST(PastWindowTest, EvictsPartOfAChunkWhenTheWindowIsNoMultipleOfIt) {
  const PastWindow past{5, 1};  // window 8
  EXPECT_EQ(past.evicted(3, 3), 1);
  EXPECT_FALSE(past.is_visible(1, 6));
  EXPECT_TRUE(past.is_visible(2, 6));
}

TEST(PastWindowTest, AWindowOfSinkAndChunkSeesOnlyTheSink) {
  const PastWindow past{2, 2};
  EXPECT_EQ(past.visible(9), 2);
  EXPECT_TRUE(past.is_visible(1, 9));
  EXPECT_FALSE(past.is_visible(8, 9));
  EXPECT_EQ(past.evicted(9, 3), 3);
}

}  // namespace
}  // namespace videodiffcr
