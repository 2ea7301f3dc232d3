#include "model/config/noise.h"

#include <cstddef>

#include "model/config/normal_pair.h"

namespace videodiffcr {
namespace {

// Draws of a rollout count from 0; those of scores lie far above them, one per block.
constexpr uint32_t kFirstScoreDraw = uint32_t{1} << 16;

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  const PhiloxWords out = Philox(PhiloxWords{{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
  return {out.words[0], out.words[1], out.words[2], out.words[3]};
}

void FillNormal(const NoiseKey& key, absl::Span<float> out) {
  const std::array<uint32_t, 2> philox_key = {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
  for (size_t i = 0; i < out.size(); i += 4) {
    const std::array<uint32_t, 4> bits =
        Philox({static_cast<uint32_t>(i / 4), key.draw, static_cast<uint32_t>(key.chunk),
                static_cast<uint32_t>(key.chunk >> 32)},
               philox_key);
    for (size_t pair = 0; pair < 2; ++pair) {
      const PairOfNormals normals = NormalPair(bits[2 * pair], bits[2 * pair + 1]);
      if (i + 2 * pair < out.size()) out[i + 2 * pair] = normals.values[0];
      if (i + 2 * pair + 1 < out.size()) out[i + 2 * pair + 1] = normals.values[1];
    }
  }
}

NoiseKey RandomScoreKey(uint64_t seed, int64_t frames_before, int64_t block) {
  return {seed, static_cast<uint64_t>(frames_before), kFirstScoreDraw + static_cast<uint32_t>(block)};
}

void FillRandomScores(uint64_t seed, int64_t frames_before, int64_t block, absl::Span<float> scores) {
  FillNormal(RandomScoreKey(seed, frames_before, block), scores);
}

}  // namespace videodiffcr
