#include "training/scenes/random_stream.h"

#include "model/config/noise.h"

namespace videodiffcr::training {

RandomStream::RandomStream(uint64_t seed, DrawPurpose purpose, uint64_t index)
    : seed_(seed), purpose_(purpose), index_(index) {}

uint32_t RandomStream::Bits() {
  if (used_ == 4) {
    bits_ = Philox(
        {block_++, static_cast<uint32_t>(purpose_), static_cast<uint32_t>(index_), static_cast<uint32_t>(index_ >> 32)},
        {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
    used_ = 0;
  }
  return bits_[used_++];
}

uint64_t RandomStream::Bits64() {
  const uint64_t low = Bits();
  return low | uint64_t{Bits()} << 32;
}

double RandomStream::Uniform() { return Bits() * 0x1p-32; }

double RandomStream::Uniform(double low, double high) { return low + (high - low) * Uniform(); }

int RandomStream::Below(int count) { return static_cast<int>(uint64_t{Bits()} * static_cast<uint64_t>(count) >> 32); }

bool RandomStream::Chance(double probability) { return Uniform() < probability; }

}  // namespace videodiffcr::training
