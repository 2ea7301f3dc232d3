#include "model/rollout/noise.h"

#include <cmath>
#include <cstddef>
#include <cstring>

namespace videodiffcr {
namespace {

constexpr double kLn2 = 0.69314718055994530942;
constexpr double kHalfPi = 1.57079632679489661923;

// Natural logarithm of a positive normal number: exponent ln2 + 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)].
double Log(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000;
  double mantissa;
  std::memcpy(&mantissa, &bits, sizeof(mantissa));
  if (mantissa > 1.41421356237309504880) {
    mantissa *= 0.5;
    ++exponent;
  }
  const double t = (mantissa - 1.0) / (mantissa + 1.0);  // |t| <= 0.1716: 11 terms reach the last bit
  const double t2 = t * t;
  double series = 0.0;
  for (int odd = 21; odd >= 1; odd -= 2) series = series * t2 + 1.0 / odd;
  return exponent * kLn2 + 2.0 * t * series;
}

// Taylor series of sine and cosine on [0, pi/2].
double Sin(double x) {
  const double x2 = x * x;
  double term = 1.0;
  for (int n = 22; n >= 2; n -= 2) term = 1.0 - term * x2 / (n * (n + 1.0));
  return x * term;
}
double Cos(double x) {
  const double x2 = x * x;
  double term = 1.0;
  for (int n = 23; n >= 1; n -= 2) term = 1.0 - term * x2 / (n * (n + 1.0));
  return term;
}

// Two independent standard normals from two random words (Box-Muller).
std::array<float, 2> NormalPair(uint32_t a, uint32_t b) {
  const double uniform = (static_cast<double>(a) + 0.5) * 0x1p-32;  // inside (0, 1): the logarithm is finite
  const double radius = std::sqrt(-2.0 * Log(uniform));             // IEEE 754 fixes the square root too
  // The upper two bits are the quadrant, the other thirty the angle in it: no range reduction.
  const double angle = (static_cast<double>(b & 0x3FFFFFFF) + 0.5) * 0x1p-30 * kHalfPi;
  const double sine = Sin(angle), cosine = Cos(angle);
  const double turned[4][2] = {{cosine, sine}, {-sine, cosine}, {-cosine, -sine}, {sine, -cosine}};
  const double* const direction = turned[b >> 30];
  return {static_cast<float>(radius * direction[0]), static_cast<float>(radius * direction[1])};
}

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
      const std::array<float, 2> normals = NormalPair(bits[2 * pair], bits[2 * pair + 1]);
      if (i + 2 * pair < out.size()) out[i + 2 * pair] = normals[0];
      if (i + 2 * pair + 1 < out.size()) out[i + 2 * pair + 1] = normals[1];
    }
  }
}

}  // namespace videodiffcr
