// The counter-based generator behind every noise value, and two normals from two of its words: plain arithmetic in
// one order, so that host and device agree in every bit. Callers use noise.h.
#ifndef VIDEODIFFCR_MODEL_CONFIG_NORMAL_PAIR_H_
#define VIDEODIFFCR_MODEL_CONFIG_NORMAL_PAIR_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define VIDEODIFFCR_NOISE_INLINE __host__ __device__ inline
#else
#define VIDEODIFFCR_NOISE_INLINE inline
#endif

namespace videodiffcr {

struct PhiloxWords {
  uint32_t words[4];
};

// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3").
VIDEODIFFCR_NOISE_INLINE PhiloxWords Philox(PhiloxWords counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter.words[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter.words[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.words[1] ^ key0, static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.words[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// Natural logarithm of a positive normal number: exponent ln2 + 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)].
VIDEODIFFCR_NOISE_INLINE double NoiseLog(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof(bits));
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000;
  double mantissa;
  memcpy(&mantissa, &bits, sizeof(mantissa));
  if (mantissa > 1.41421356237309504880) {
    mantissa *= 0.5;
    ++exponent;
  }
  const double t = (mantissa - 1.0) / (mantissa + 1.0);  // |t| <= 0.1716: 11 terms reach the last bit
  const double t2 = t * t;
  double series = 0.0;
  for (int odd = 21; odd >= 1; odd -= 2) series = series * t2 + 1.0 / odd;
  return exponent * 0.69314718055994530942 + 2.0 * t * series;
}

// Taylor series of sine and cosine on [0, pi/2].
VIDEODIFFCR_NOISE_INLINE double NoiseSin(double x) {
  const double x2 = x * x;
  double term = 1.0;
  for (int n = 22; n >= 2; n -= 2) term = 1.0 - term * x2 / (n * (n + 1.0));
  return x * term;
}
VIDEODIFFCR_NOISE_INLINE double NoiseCos(double x) {
  const double x2 = x * x;
  double term = 1.0;
  for (int n = 23; n >= 1; n -= 2) term = 1.0 - term * x2 / (n * (n + 1.0));
  return term;
}

struct PairOfNormals {
  float values[2];
};

// Two independent standard normals from two random words (Box-Muller).
VIDEODIFFCR_NOISE_INLINE PairOfNormals NormalPair(uint32_t a, uint32_t b) {
  const double uniform = (static_cast<double>(a) + 0.5) * 0x1p-32;  // inside (0, 1): the logarithm is finite
  const double radius = sqrt(-2.0 * NoiseLog(uniform));             // IEEE 754 fixes the square root too
  // The upper two bits are the quadrant, the other thirty the angle in it: no range reduction.
  const double angle = (static_cast<double>(b & 0x3FFFFFFF) + 0.5) * 0x1p-30 * 1.57079632679489661923;
  const double sine = NoiseSin(angle), cosine = NoiseCos(angle);
  const double turned[4][2] = {{cosine, sine}, {-sine, cosine}, {-cosine, -sine}, {sine, -cosine}};
  return {{static_cast<float>(radius * turned[b >> 30][0]), static_cast<float>(radius * turned[b >> 30][1])}};
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_NORMAL_PAIR_H_
