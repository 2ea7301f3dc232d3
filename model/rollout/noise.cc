#include "model/rollout/noise.h"

#include <cmath>
#include <cstddef>

namespace videodiffcr {
namespace {

// (0, 1): never 0, so the logarithm below is finite.
double Uniform(uint32_t bits) { return (static_cast<double>(bits) + 0.5) * 0x1p-32; }

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0], product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

void FillNormal(const NoiseKey& key, absl::Span<float> out) {
  const std::array<uint32_t, 2> philox_key = {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
  for (size_t i = 0; i < out.size(); i += 4) {
    const std::array<uint32_t, 4> bits =
        Philox({static_cast<uint32_t>(i / 4), key.draw, static_cast<uint32_t>(key.chunk),
                static_cast<uint32_t>(key.chunk >> 32)},
               philox_key);
    for (size_t pair = 0; pair < 2; ++pair) {
      const double radius = std::sqrt(-2.0 * std::log(Uniform(bits[2 * pair])));
      const double angle = 2.0 * M_PI * Uniform(bits[2 * pair + 1]);
      if (i + 2 * pair < out.size()) out[i + 2 * pair] = static_cast<float>(radius * std::cos(angle));
      if (i + 2 * pair + 1 < out.size()) out[i + 2 * pair + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
}

}  // namespace videodiffcr
