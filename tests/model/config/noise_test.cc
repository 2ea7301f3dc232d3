#include "model/config/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/config/noise_schedule.h"

namespace videodiffcr {
namespace {

TEST(PhiloxTest, GivesTheKnownAnswersOfItsAuthors) {
  const std::array<uint32_t, 4> zeros = Philox({0, 0, 0, 0}, {0, 0});
  EXPECT_EQ(zeros, (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::array<uint32_t, 4> ones = Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u});
  EXPECT_EQ(ones, (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(NoiseTest, AValueDependsOnItsKeyAndPlaceAlone) {
  std::vector<float> whole(1003), part(17), other(17);
  FillNormal({7, 3, 1}, absl::MakeSpan(whole));
  FillNormal({7, 3, 1}, absl::MakeSpan(part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin()));
  for (const NoiseKey key :
       {NoiseKey{8, 3, 1}, NoiseKey{7, 4, 1}, NoiseKey{7, 3, 2}, NoiseKey{7 + (uint64_t{1} << 40), 3, 1}}) {
    FillNormal(key, absl::MakeSpan(other));
    EXPECT_NE(std::memcmp(other.data(), part.data(), other.size() * sizeof(float)), 0);
  }
}

TEST(NoiseTest, ValuesAreStandardNormal) {
  std::vector<float> values(200000);
  FillNormal({42, 0, 0}, absl::MakeSpan(values));
  double mean = 0, square = 0, fourth = 0;
  for (const double v : values) mean += v, square += v * v, fourth += v * v * v * v;
  const double n = static_cast<double>(values.size());
  EXPECT_NEAR(mean / n, 0, 0.01);
  EXPECT_NEAR(square / n, 1, 0.015);
  EXPECT_NEAR(fourth / n, 3, 0.1);
}

TEST(NoiseScheduleTest, WarpedStepsAreTheReferencesFloats) {
  const auto bits = [](float value) {
    uint32_t out;
    std::memcpy(&out, &value, sizeof(out));
    return out;
  };
  const NoiseSchedule shift5(5.0);
  EXPECT_EQ(bits(shift5.WarpedTimestep(1000)), 0x447a0000u);
  EXPECT_EQ(bits(shift5.WarpedTimestep(750)), 0x446a6000u);
  EXPECT_EQ(bits(shift5.WarpedTimestep(500)), 0x44505555u);
  EXPECT_EQ(bits(shift5.WarpedTimestep(250)), 0x441c4000u);
  EXPECT_EQ(bits(shift5.Sigma(shift5.WarpedTimestep(500))), 0x3f555555u);
  EXPECT_NEAR(shift5.Sigma(0), 0.0049800803, 1e-8) << "0 looks up the last entry";
  const NoiseSchedule shift8(8.0);
  EXPECT_FLOAT_EQ(shift8.WarpedTimestep(750), 960.0f);
  EXPECT_FLOAT_EQ(shift8.WarpedTimestep(500), 888.888916f);
  EXPECT_FLOAT_EQ(shift8.WarpedTimestep(250), 727.272766f);
}

TEST(NoiseScheduleTest, RefusesStepsThatDoNotFallOrAreNoTableEntry) {
  for (const std::vector<double>& steps : {std::vector<double>{1000, 1000}, {500, 750}, {1001}, {0}, {12.5}}) {
    EXPECT_EQ(MakeStepSchedule({5.0, steps}).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(MakeStepSchedule({5.0, {1000, 1}})->timesteps_and_context().back(), 0.0f);
}

}  // namespace
}  // namespace videodiffcr
