#include "convert/number_conversion.h"

#include <bit>
#include <cmath>

namespace videodiffcr {

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: mantissa times 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign == 0 ? magnitude : -magnitude;
  }
  const uint32_t wide_exponent = exponent == 0x1f ? 0xff : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

float BFloat16ToFloat(uint16_t bfloat16) { return std::bit_cast<float>(uint32_t{bfloat16} << 16); }

float E4M3ToFloat(uint8_t e4m3) {
  const bool negative = (e4m3 & 0x80) != 0;
  const int exponent = (e4m3 >> 3) & 0xf;
  const int mantissa = e4m3 & 7;
  if (exponent == 0xf && mantissa == 7) {
    return std::bit_cast<float>(negative ? 0xffc00000u : 0x7fc00000u);
  }
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                        : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return negative ? -magnitude : magnitude;
}

// The upper half of a half: OCP 8-bit Floating Point Specification 1.0, section 5.
float E5M2ToFloat(uint8_t e5m2) { return HalfToFloat(static_cast<uint16_t>(uint16_t{e5m2} << 8)); }

uint16_t FloatToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return static_cast<uint16_t>((bits >> 16) | 0x0040);  // a quiet NaN: rounding could turn its mantissa into zero
  }
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

uint8_t FloatToE4M3(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return sign | 0x7f;
  }
  constexpr uint32_t kSmallestNormal = (127 - 6) << 23;  // 2^-6
  if (magnitude < kSmallestNormal) {
    // Subnormals are multiples of 2^-9. Adding 2^14 to a float leaves 9 binary places: the addition rounds for us.
    const float shifted = std::bit_cast<float>(magnitude) + 16384.0f;
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(16384.0f));
  }
  // Round the mantissa to 3 bits in place (a carry moves into the exponent as it should), then re-bias the exponent.
  const uint32_t rounded = (magnitude + 0x7ffff + ((magnitude >> 20) & 1)) >> 20;
  const uint32_t code = rounded - ((127 - 7) << 3);
  return sign | static_cast<uint8_t>(code < 0x7e ? code : 0x7e);
}

}  // namespace videodiffcr
