// Golden cases of the text encoder and the autoencoders, made by the public reference implementations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "parity/parity_case.h"

namespace videodiffcr {
namespace {

class GoldenNetwork : public ::testing::TestWithParam<std::tuple<const char*, NetworkPath>> {};

TEST_P(GoldenNetwork, IsReproduced) {
  const auto& [path, network_path] = GetParam();
  const SafetensorsReader file = *SafetensorsReader::Open(path);
  const absl::StatusOr<CaseOutputs> ours = RunCase(file, network_path, at::kCPU);
  ASSERT_TRUE(ours.ok()) << ours.status();
  const std::vector<OutputComparison> comparisons = CompareOutputs(file, *ours);
  EXPECT_GE(comparisons.size(), 1);
  for (const OutputComparison& output : comparisons) {
    EXPECT_TRUE(output.passed) << output.name << ": max abs error " << output.max_abs_error;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenNetwork,
                         ::testing::Combine(::testing::Values("tests/golden/umt5.safetensors",
                                                              "tests/golden/wan_vae.safetensors",
                                                              "tests/golden/taehv.safetensors"),
                                            ::testing::Values(NetworkPath::kPlain, NetworkPath::kServing)));

}  // namespace
}  // namespace videodiffcr
