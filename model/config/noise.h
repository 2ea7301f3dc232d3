// Every random number of a generation, from a counter-based generator: the same (seed, chunk, draw) gives the same
// values whatever ran before, beside it, or on how many threads. Philox 4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", 2011), then Box-Muller in operations that IEEE 754 fixes to the last bit and no library
// function: bit-equal on every machine.
#ifndef VIDEODIFFCR_MODEL_CONFIG_NOISE_H_
#define VIDEODIFFCR_MODEL_CONFIG_NOISE_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace videodiffcr {

// Names one noise tensor of a session.
struct NoiseKey {
  uint64_t seed = 0;
  uint64_t chunk = 0;
  uint32_t draw = 0;  // 0: the chunk's initial noise; j: the noise added before denoising step j
};

// Fills `out` with independent standard normal values; element i depends on the key and i alone.
void FillNormal(const NoiseKey& key, absl::Span<float> out);

// Scores of a chunk's tokens that say nothing of them (CacheScore::kRandom). They depend on the session's seed, on how
// many frames its scene had before the chunk, and on the block; never on what else is drawn.
NoiseKey RandomScoreKey(uint64_t seed, int64_t frames_before, int64_t block);
void FillRandomScores(uint64_t seed, int64_t frames_before, int64_t block, absl::Span<float> scores);

// One block of Philox 4x32-10. Known answers: tests/model/config/noise_test.cc.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_NOISE_H_
