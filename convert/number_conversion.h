// Between the floating-point formats of weight files.
#ifndef VIDEODIFFCR_CONVERT_NUMBER_CONVERSION_H_
#define VIDEODIFFCR_CONVERT_NUMBER_CONVERSION_H_

#include <cstdint>

namespace videodiffcr {

inline constexpr float kMaxE4M3 = 448.0f;

// Exact.
float HalfToFloat(uint16_t half);
float BFloat16ToFloat(uint16_t bfloat16);
float E4M3ToFloat(uint8_t e4m3);
float E5M2ToFloat(uint8_t e5m2);

// Round to nearest, ties to even. Beyond the largest bfloat16 becomes infinity; NaN stays NaN.
uint16_t FloatToBFloat16(float value);

// FP8 E4M3 without infinities ("e4m3fn": bias 7, largest 448, one NaN; OCP 8-bit Floating Point Specification 1.0,
// section 5). Round to nearest, ties to even; beyond the largest becomes the largest (saturation); NaN becomes NaN.
uint8_t FloatToE4M3(float value);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_NUMBER_CONVERSION_H_
