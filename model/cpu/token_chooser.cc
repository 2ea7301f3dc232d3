#include "model/cpu/token_chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/config/retention_table.h"
#include "model/cpu/row_kernels.h"

namespace videodiffcr::cpu {

TokenChooser::TokenChooser(const TransformerConfig& config, const RetentionConfig& retention)
    : config_(config), retention_(retention), gated_(retention.gate != RouterGate::kNone) {
  const int64_t tokens = config.tokens_per_chunk();
  normed_.resize(tokens * config.dim);
  scores_.resize(tokens);
  gate_.resize(tokens);
  kept_.reserve(tokens);
}

// s = w . SiLU(mix over the chunk's frames of (LN(x) W_down + b)), one score per token (videodiffcr.md section 2.2).
void TokenChooser::Score(const PackedRouter& router, const float* x) {
  const int64_t tokens = config_.tokens_per_chunk(), sites = config_.tokens_per_frame(), frames = config_.chunk_frames;
  const int64_t width = router.down.out;
  channels_.resize(tokens * width);
  mixed_.resize(tokens * width);
  float* channels = channels_.data();
  float* mixed = mixed_.data();
  LayerNorm(x, nullptr, nullptr, tokens, config_.dim, static_cast<float>(config_.eps), normed_.data());
  Apply(router.down, normed_.data(), tokens, channels);
  AddBias(channels, width, router.down.bias.data(), tokens, width, channels, width);
  std::fill_n(mixed, tokens * width, 0.0f);
  for (int64_t to = 0; to < frames; ++to) {
    for (int64_t from = 0; from < frames; ++from) {
      const float* mix = router.mix.data() + (to * frames + from) * width;
      for (int64_t site = 0; site < sites; ++site) {
        float* out = mixed + (to * sites + site) * width;
        const float* in = channels + (from * sites + site) * width;
        for (int64_t c = 0; c < width; ++c) out[c] += mix[c] * in[c];
      }
    }
  }
  Silu(tokens * width, mixed);
  for (int64_t token = 0; token < tokens; ++token) {
    const float score = std::inner_product(router.score.begin(), router.score.end(), mixed + token * width, 0.0f);
    scores_[token] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
  }
}

// By (score falling, index rising), in ascending order, with their gates (videodiffcr.md sections 3.2 and 3.3).
void TokenChooser::Choose(int64_t count) {
  const auto better = [this](int32_t a, int32_t b) {
    return scores_[a] != scores_[b] ? scores_[a] > scores_[b] : a < b;
  };
  const int64_t tokens = config_.tokens_per_chunk(), sites = config_.tokens_per_frame(), frames = config_.chunk_frames;
  kept_.resize(tokens);
  std::iota(kept_.begin(), kept_.end(), 0);
  // A frame's own best come first when a floor is set; then the best of what is left.
  int64_t reserved = 0;
  const int64_t floor_rows = FrameFloorRows(retention_.frame_floor, count, frames);
  if (floor_rows > 0) {
    for (int64_t frame = 0; frame < frames; ++frame) {
      const auto begin = kept_.begin() + frame * sites;
      std::nth_element(begin, begin + floor_rows - 1, begin + sites, better);
      std::swap_ranges(kept_.begin() + reserved, kept_.begin() + reserved + floor_rows, begin);
      reserved += floor_rows;
    }
  }
  if (count < tokens) {
    std::nth_element(kept_.begin() + reserved, kept_.begin() + count - 1, kept_.end(), better);
  }
  kept_.resize(count);
  std::sort(kept_.begin(), kept_.end());
  for (int64_t row = 0; row < count; ++row) {
    const float sigmoid = 1.0f / (1.0f + std::exp(-scores_[kept_[row]]));
    gate_[row] = retention_.gate == RouterGate::kTwoSigmoid ? 2.0f * sigmoid : sigmoid;
  }
}

}  // namespace videodiffcr::cpu
