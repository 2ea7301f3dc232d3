#include "convert/number_conversion.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

// The nearest of all 254 finite codes, the even one of two equally near: slow, and plainly right.
uint8_t NearestE4M3(float value) {
  uint8_t best = 0;
  double best_distance = kInfinity;
  for (int code = 0; code < 0x7f; ++code) {
    const double distance = std::fabs(std::fabs(static_cast<double>(value)) - E4M3ToFloat(static_cast<uint8_t>(code)));
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) {
      best = static_cast<uint8_t>(code);
      best_distance = distance;
    }
  }
  return best | (std::signbit(value) ? 0x80 : 0);
}

TEST(HalfToFloat, IsExactOverEdgeValues) {
  EXPECT_EQ(HalfToFloat(0x0000), 0.0f);
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_EQ(HalfToFloat(0x0001), std::ldexp(1.0f, -24));      // smallest subnormal
  EXPECT_EQ(HalfToFloat(0x83ff), -std::ldexp(1023.0f, -24));  // largest subnormal
  EXPECT_EQ(HalfToFloat(0x0400), std::ldexp(1.0f, -14));      // smallest normal
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x7c00), kInfinity);
  EXPECT_EQ(HalfToFloat(0xfc00), -kInfinity);
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e01)));
}

TEST(FloatToBFloat16, KeepsWhatBFloat16CanHold) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = BFloat16ToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(value))));
    } else {
      ASSERT_EQ(FloatToBFloat16(value), bits);
    }
  }
}

TEST(FloatToBFloat16, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(FloatToBFloat16(FromBits(0x3f807fff)), 0x3f80);  // just below the middle
  EXPECT_EQ(FloatToBFloat16(FromBits(0x3f808000)), 0x3f80);  // the middle: down to even
  EXPECT_EQ(FloatToBFloat16(FromBits(0x3f808001)), 0x3f81);
  EXPECT_EQ(FloatToBFloat16(FromBits(0x3f818000)), 0x3f82);  // the middle: up to even
  EXPECT_EQ(FloatToBFloat16(FromBits(0x3fffc000)), 0x4000);  // a carry into the exponent
  EXPECT_EQ(FloatToBFloat16(FromBits(0xbf808001)), 0xbf81);
  EXPECT_EQ(FloatToBFloat16(FromBits(0x00008001)), 0x0001);  // subnormals too
}

TEST(FloatToBFloat16, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(FloatToBFloat16(FromBits(0x7f7f7fff)), 0x7f7f);  // largest that rounds down
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(FloatToBFloat16(-kInfinity), 0xff80);
  EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(FromBits(0x7f800001)))));  // its mantissa's top bits are zero
}

TEST(E4M3, HasTheValuesOfTheSpecification) {
  EXPECT_EQ(E4M3ToFloat(0x00), 0.0f);
  EXPECT_EQ(E4M3ToFloat(0x01), std::ldexp(1.0f, -9));
  EXPECT_EQ(E4M3ToFloat(0x07), std::ldexp(7.0f, -9));
  EXPECT_EQ(E4M3ToFloat(0x08), std::ldexp(1.0f, -6));
  EXPECT_EQ(E4M3ToFloat(0x38), 1.0f);
  EXPECT_EQ(E4M3ToFloat(0x7e), kMaxE4M3);
  EXPECT_EQ(E4M3ToFloat(0xfe), -kMaxE4M3);
  EXPECT_TRUE(std::isnan(E4M3ToFloat(0x7f)));
  EXPECT_TRUE(std::isnan(E4M3ToFloat(0xff)));
}

TEST(FloatToE4M3, GivesBackEveryCode) {
  for (int code = 0; code < 256; ++code) {
    const float value = E4M3ToFloat(static_cast<uint8_t>(code));
    EXPECT_EQ(FloatToE4M3(value), code) << value;
  }
}

TEST(FloatToE4M3, SaturatesInsteadOfOverflowing) {
  EXPECT_EQ(FloatToE4M3(449.0f), 0x7e);
  EXPECT_EQ(FloatToE4M3(464.0f), 0x7e);
  EXPECT_EQ(FloatToE4M3(1e30f), 0x7e);
  EXPECT_EQ(FloatToE4M3(-kInfinity), 0xfe);
  EXPECT_EQ(FloatToE4M3(std::numeric_limits<float>::quiet_NaN()), 0x7f);
}

TEST(FloatToE4M3, IsTheNearestCodeAtEveryMiddleAndNextToIt) {
  for (int code = 0; code < 0x7e; ++code) {
    const float middle = (E4M3ToFloat(static_cast<uint8_t>(code)) + E4M3ToFloat(static_cast<uint8_t>(code + 1))) / 2;
    for (const float value : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f), -middle}) {
      ASSERT_EQ(FloatToE4M3(value), NearestE4M3(value)) << value;
    }
  }
}

TEST(FloatToE4M3, IsTheNearestCodeOfRandomNumbers) {
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) {
    const float value = FromBits(static_cast<uint32_t>(random()));
    if (std::isnan(value)) continue;
    ASSERT_EQ(FloatToE4M3(value), NearestE4M3(std::clamp(value, -kMaxE4M3, kMaxE4M3))) << value;
  }
}

}  // namespace
}  // namespace videodiffcr
