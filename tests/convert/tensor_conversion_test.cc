#include "convert/tensor_conversion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "convert/number_conversion.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the conversion puts into its sink.
template <typename T>
struct Collected {
  std::vector<uint8_t> bytes;
  ByteSink Sink() {
    return [this](absl::Span<const uint8_t> piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return absl::OkStatus();
    };
  }
  std::vector<T> Values() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

TEST(ConvertValues, RoundsFloatsToBFloat16AcrossPieces) {
  std::vector<float> values(200'001);
  for (size_t i = 0; i < values.size(); ++i) values[i] = FillValue("values", i);
  Collected<uint16_t> out;
  ASSERT_TRUE(ConvertValues(SourceOf(values, DType::kF32, {200'001}), DType::kBF16, out.Sink()).ok());
  const std::vector<uint16_t> rounded = out.Values();
  ASSERT_EQ(rounded.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(rounded[i], FloatToBFloat16(values[i])) << i;
}

TEST(ConvertValues, WidensHalfExactly) {
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x0001, 0x7bff};
  Collected<float> out;
  ASSERT_TRUE(ConvertValues(SourceOf(halves, DType::kF16, {4}), DType::kF32, out.Sink()).ok());
  EXPECT_THAT(out.Values(), ElementsAre(1.0f, -2.0f, std::ldexp(1.0f, -24), 65504.0f));
}

TEST(ConvertValues, LeavesBFloat16AsItIs) {
  const std::vector<uint16_t> values = {0x0000, 0x8000, 0x0001, 0x3f81, 0x7f7f};
  Collected<uint16_t> out;
  ASSERT_TRUE(ConvertValues(SourceOf(values, DType::kBF16, {5}), DType::kBF16, out.Sink()).ok());
  EXPECT_EQ(out.Values(), values);
}

TEST(ConvertValues, RefusesNumbersThatAreNotFiniteAndSaysWhere) {
  std::vector<float> values(70'000, 1.0f);
  values[66'000] = std::numeric_limits<float>::quiet_NaN();
  Collected<float> out;
  const absl::Status status = ConvertValues(SourceOf(values, DType::kF32, {70'000}), DType::kF32, out.Sink());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf(status), HasSubstr("element 66000 is nan"));
}

TEST(ConvertValues, RefusesNumbersBeyondBFloat16) {
  const std::vector<float> values = {1.0f, std::numeric_limits<float>::max()};
  Collected<uint16_t> out;
  EXPECT_THAT(MessageOf(ConvertValues(SourceOf(values, DType::kF32, {2}), DType::kBF16, out.Sink())),
              HasSubstr("element 1 is 3.40282e+38, beyond the range of BF16"));
}

TEST(ConvertValues, StopsWhenTheSinkFails) {
  const std::vector<float> values(10);
  const ByteSink full_disk = [](absl::Span<const uint8_t>) { return absl::ResourceExhaustedError("full"); };
  EXPECT_EQ(ConvertValues(SourceOf(values, DType::kF32, {10}), DType::kF32, full_disk).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(FindFp8Scales, MapTheLargestMagnitudeToTheLargestNumber) {
  const std::vector<float> values = {1, -896, 3, 0, 0, 0, 448, 7, 0};
  const SourceTensor source = SourceOf(values, DType::kF32, {3, 3});
  EXPECT_THAT(*FindFp8Scales(source, Fp8Scaling::kPerTensor), ElementsAre(2.0f));
  EXPECT_THAT(*FindFp8Scales(source, Fp8Scaling::kPerOutputRow), ElementsAre(2.0f, 1.0f, 1.0f));
}

TEST(FindFp8Scales, StayNormalForTheTiniestWeights) {
  const std::vector<float> values = {std::numeric_limits<float>::denorm_min(), 0};
  EXPECT_THAT(*FindFp8Scales(SourceOf(values, DType::kF32, {1, 2}), Fp8Scaling::kPerTensor),
              ElementsAre(std::numeric_limits<float>::min()));
}

TEST(ConvertToFp8, ComesWithinHalfAStepOfEveryWeight) {
  std::vector<float> values(6 * 500);
  for (size_t i = 0; i < values.size(); ++i) values[i] = FillValue("weights", i) * static_cast<float>(1 + i / 500);
  const SourceTensor source = SourceOf(values, DType::kF32, {6, 500});
  for (const Fp8Scaling scaling : {Fp8Scaling::kPerTensor, Fp8Scaling::kPerOutputRow}) {
    const std::vector<float> scales = *FindFp8Scales(source, scaling);
    Collected<uint8_t> out;
    ASSERT_TRUE(ConvertToFp8(source, scales, out.Sink()).ok());
    ASSERT_EQ(out.bytes.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const float scale = scales[scales.size() == 1 ? 0 : i / 500];
      const float restored = E4M3ToFloat(out.bytes[i]) * scale;
      // Three bits of mantissa: half a step is 1/16 of the value, or half the smallest subnormal.
      ASSERT_LE(std::fabs(restored - values[i]),
                std::max(std::fabs(values[i]) / 16, scale * std::ldexp(1.0f, -10)) * 1.0001f);
    }
  }
}

}  // namespace
}  // namespace videodiffcr
