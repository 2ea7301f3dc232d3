#include "convert/tensor_values.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Read(const TensorValues& values, int64_t first, int64_t count) {
  std::vector<float> out(count);
  const absl::Status status = values.Read(first, count, out.data());
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

TEST(TensorValues, RoundDoublesToTheNearestFloat) {
  const std::vector<double> values = {0.1, -1.5, 16777217.0};
  EXPECT_THAT(Read(SourceOf(values, DType::kF64, {3}), 0, 3), ElementsAre(0.1f, -1.5f, 16777216.0f));
  const std::vector<double> beyond = {1e39};
  float out;
  EXPECT_THAT(MessageOf(TensorValues(SourceOf(beyond, DType::kF64, {1})).Read(0, 1, &out)), HasSubstr("is inf"));
}

TEST(TensorValues, ReadBothEightBitFormats) {
  const std::vector<uint8_t> codes = {0x00, 0x38, 0xb8, 0x7e, 0x01};
  EXPECT_THAT(Read(SourceOf(codes, DType::kF8E4M3, {5}), 0, 5),
              ElementsAre(0.f, 1.f, -1.f, 448.f, std::ldexp(1.f, -9)));
  const std::vector<uint8_t> wide = {0x3c, 0xbd, 0x7b, 0x01};
  EXPECT_THAT(Read(SourceOf(wide, DType::kF8E5M2, {4}), 0, 4), ElementsAre(1.f, -1.25f, 57344.f, std::ldexp(1.f, -16)));
}

TEST(TensorValues, MultiplyWithTheScaleOfTheTensorOrOfTheRow) {
  const std::vector<uint8_t> codes = {0x38, 0x40, 0x38, 0x40, 0x38, 0x40};  // 1 2 1 2 1 2
  SourceTensor source = SourceOf(codes, DType::kF8E4M3, {3, 2});
  source.scales = {0.5f};
  EXPECT_THAT(Read(source, 1, 3), ElementsAre(1.f, 0.5f, 1.f));
  source.scales = {1.f, 10.f, 100.f};
  EXPECT_THAT(Read(source, 1, 4), ElementsAre(2.f, 10.f, 20.f, 100.f));
}

TEST(TensorValues, ReadTransposedAndChannelsLastTensorsInRowMajorOrder) {
  const std::vector<float> stored = {0, 10, 1, 11, 2, 12};
  SourceTensor transposed = SourceOf(stored, DType::kF32, {2, 3});
  transposed.strides = {1, 2};
  EXPECT_THAT(Read(transposed, 0, 6), ElementsAre(0, 1, 2, 10, 11, 12));
  EXPECT_THAT(Read(transposed, 2, 3), ElementsAre(2, 10, 11));
  // [out 1, channels 2, rows 2, columns 3] with channels innermost.
  std::vector<float> channels_last;
  for (int place = 0; place < 6; ++place) {
    for (int channel = 0; channel < 2; ++channel) channels_last.push_back(static_cast<float>(100 * channel + place));
  }
  SourceTensor image = SourceOf(channels_last, DType::kF32, {1, 2, 2, 3});
  image.strides = {12, 1, 6, 2};
  EXPECT_THAT(Read(image, 4, 4), ElementsAre(4, 5, 100, 101));
}

TEST(TensorValues, PassThroughTheChangeBeforeTheyAreChecked) {
  const std::vector<float> values = {1, 2, 3};
  const TensorValues changed(SourceOf(values, DType::kF32, {3}), [](int64_t first, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) out[i] += static_cast<float>(10 * (first + i));
    return absl::OkStatus();
  });
  EXPECT_THAT(Read(changed, 1, 2), ElementsAre(12, 23));
}

TEST(TensorValues, NameATypeThatIsNoneOfWeights) {
  const std::vector<int32_t> values = {1};
  float out;
  EXPECT_THAT(MessageOf(TensorValues(SourceOf(values, DType::kI32, {1})).Read(0, 1, &out)), HasSubstr("type I32"));
  EXPECT_FALSE(IsWeightType(DType::kI32));
}

}  // namespace
}  // namespace videodiffcr
