#include "model/plain/transformer/transformer_weights.h"

#include <unistd.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/weights/safetensors_writer.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

class TransformerWeightsTest : public ::testing::Test {
 protected:
  TransformerWeightsTest()
      : golden_(*SafetensorsReader::Open("tests/golden/rollout_pruned_mode_a.safetensors")),
        config_(*ParseTransformerConfig(golden_.metadata().at("config"))) {
    for (const auto& [name, entry] : golden_.tensors()) tensors_[name] = entry;
    options_.prefix = "weights.";
  }

  // The golden file's tensors after `tensors_` was changed.
  SafetensorsReader Written() {
    const std::string path = ::testing::TempDir() + "/weights_test_" + std::to_string(getpid()) + ".safetensors";
    EXPECT_TRUE(WriteSafetensors(path, tensors_, {}).ok());
    SafetensorsReader reader = *SafetensorsReader::Open(path);
    unlink(path.c_str());
    return reader;
  }

  // Error of loading those.
  std::string LoadError() {
    const SafetensorsReader reader = Written();
    const absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(reader, config_, options_);
    if (weights.ok()) return "";
    EXPECT_THAT(std::string(weights.status().message()), HasSubstr(reader.path()));
    return std::string(weights.status().message());
  }

  SafetensorsReader golden_;
  TransformerConfig config_;
  std::map<std::string, TensorEntry> tensors_;
  WeightOptions options_;
};

TEST_F(TransformerWeightsTest, AFileWithAllTensorsLoads) {
  absl::StatusOr<TransformerWeights> weights = LoadTransformerWeights(golden_, config_, options_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->blocks.size(), 4);
  EXPECT_EQ(weights->blocks[3].ffn_in.weight.sizes().vec(), (std::vector<int64_t>{64, 32}));
  EXPECT_FALSE(weights->blocks[0].router.has_value());
  ASSERT_TRUE(LoadRouterWeights(golden_, config_, 8, /*bypass_rank=*/0, options_, &*weights).ok());
  EXPECT_EQ(weights->blocks[3].router->mix.sizes().vec(), (std::vector<int64_t>{8, 3, 3}));
}

TEST_F(TransformerWeightsTest, WeightsTakeTheTypeThatWasAskedFor) {
  options_.dtype = at::kBFloat16;
  EXPECT_EQ(LoadTransformerWeights(golden_, config_, options_)->head.weight.scalar_type(), at::kBFloat16);
}

TEST_F(TransformerWeightsTest, ValuesThatAreNoNumbersAreRefusedByTensor) {
  const std::string name = "weights.blocks.1.ffn.0.weight";  // [64, 32]
  std::vector<float> values(64 * 32, 0.5f);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    values[777] = bad;
    tensors_[name] = {DType::kF32, {64, 32}, reinterpret_cast<const uint8_t*>(values.data()), 64 * 32 * 4};
    EXPECT_THAT(LoadError(), HasSubstr("tensor " + name + " holds values that are not finite"));
  }
}

TEST_F(TransformerWeightsTest, ValuesThatTheTypeCannotHoldAreRefusedByTensor) {
  const std::string name = "weights.blocks.1.ffn.0.weight";
  const std::vector<float> values(64 * 32, 1e6f);
  tensors_[name] = {DType::kF32, {64, 32}, reinterpret_cast<const uint8_t*>(values.data()), 64 * 32 * 4};
  EXPECT_EQ(LoadError(), "");
  options_.dtype = at::kHalf;
  EXPECT_THAT(LoadError(), HasSubstr("tensor " + name + " holds values that are not finite in Half"));
}

TEST_F(TransformerWeightsTest, AFileThatIsCutShortWhileItIsLoadedIsAnErrorAndNotTheEndOfTheProcess) {
  const std::string path = ::testing::TempDir() + "/cut_" + std::to_string(getpid()) + ".safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors_, {}).ok());
  const SafetensorsReader reader = *SafetensorsReader::Open(path);
  ASSERT_EQ(truncate(path.c_str(), 4096), 0);
  const absl::Status status = LoadTransformerWeights(reader, config_, options_).status();
  unlink(path.c_str());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": became shorter"));
}

TEST_F(TransformerWeightsTest, AnEightBitTensorIsMultipliedByItsScale) {
  // E4M3 1.0 is 0x38, 2.0 is 0x40: rows of ones and twos, scaled by 3 and by one value per row.
  const std::string name = "weights.blocks.1.ffn.0.weight";  // [64, 32]
  std::vector<uint8_t> codes(64 * 32, 0x38);
  std::fill_n(codes.begin() + 32, 32, 0x40);
  std::vector<float> one_scale = {3.0f}, row_scales(64, 0.5f);
  row_scales[1] = 10.0f;
  for (const std::vector<float>& scales : {one_scale, row_scales}) {
    tensors_[name] = {DType::kF8E4M3, {64, 32}, codes.data(), 64 * 32};
    tensors_[name + ".scale"] = {DType::kF32,
                                 {static_cast<int64_t>(scales.size())},
                                 reinterpret_cast<const uint8_t*>(scales.data()),
                                 static_cast<int64_t>(scales.size() * sizeof(float))};
    const std::string path = ::testing::TempDir() + "/scaled_" + std::to_string(getpid()) + ".safetensors";
    ASSERT_TRUE(WriteSafetensors(path, tensors_, {}).ok());
    const absl::StatusOr<TransformerWeights> weights =
        LoadTransformerWeights(*SafetensorsReader::Open(path), config_, options_);
    unlink(path.c_str());
    ASSERT_TRUE(weights.ok()) << weights.status();
    const at::Tensor weight = weights->blocks[1].ffn_in.weight;
    EXPECT_EQ(weight[0][5].item<float>(), 1.0f * scales[0]);
    EXPECT_EQ(weight[1][31].item<float>(), 2.0f * scales[scales.size() == 1 ? 0 : 1]);
  }
}

TEST_F(TransformerWeightsTest, AScaleOfAnotherLengthIsNamed) {
  const std::vector<uint8_t> codes(64 * 32, 0x38);
  const std::vector<float> scales(63, 1.0f);
  tensors_["weights.blocks.1.ffn.0.weight"] = {DType::kF8E4M3, {64, 32}, codes.data(), 64 * 32};
  tensors_["weights.blocks.1.ffn.0.weight.scale"] = {
      DType::kF32, {63}, reinterpret_cast<const uint8_t*>(scales.data()), 63 * 4};
  EXPECT_THAT(LoadError(), HasSubstr("tensor weights.blocks.1.ffn.0.weight.scale has type F32 and 63 values"));
}

TEST_F(TransformerWeightsTest, AMissingTensorIsNamed) {
  tensors_.erase("weights.blocks.2.cross_attn.norm_k.weight");
  EXPECT_THAT(LoadError(), HasSubstr("tensor weights.blocks.2.cross_attn.norm_k.weight is missing"));
}

TEST_F(TransformerWeightsTest, AnExtraTensorUnderThePrefixIsNamedAndOneOutsideItIsNot) {
  tensors_["unrelated"] = tensors_["weights.head.head.bias"];
  EXPECT_EQ(LoadError(), "");
  tensors_["weights.blocks.4.modulation"] = tensors_["weights.blocks.3.modulation"];
  EXPECT_THAT(LoadError(), HasSubstr("tensor weights.blocks.4.modulation"));
}

TEST_F(TransformerWeightsTest, AWrongShapeIsNamedWithBothShapes) {
  tensors_["weights.blocks.0.ffn.2.weight"].shape = {64, 32};
  EXPECT_THAT(LoadError(), HasSubstr("tensor weights.blocks.0.ffn.2.weight has shape [64,32]; must be [32,64]"));
}

TEST_F(TransformerWeightsTest, AWrongTypeIsNamed) {
  tensors_["weights.head.head.bias"].dtype = DType::kI32;
  EXPECT_THAT(LoadError(), HasSubstr("tensor weights.head.head.bias has type I32"));
}

TEST_F(TransformerWeightsTest, RoutersOfAnotherWidthAreRefusedAndNoneIsLeftHalfLoaded) {
  TransformerWeights weights = *LoadTransformerWeights(golden_, config_, options_);
  const absl::Status status = LoadRouterWeights(golden_, config_, 9, /*bypass_rank=*/0, options_, &weights);
  EXPECT_THAT(std::string(status.message()), HasSubstr("blocks.0.router.down.weight has shape [8,32]; must be [9,32]"));
  EXPECT_FALSE(weights.blocks[0].router.has_value());
}

TEST_F(TransformerWeightsTest, ABypassLoadsWithTheRoutersAndItsAbsenceIsNamed) {
  TransformerWeights weights = *LoadTransformerWeights(golden_, config_, options_);
  const absl::Status missing = LoadRouterWeights(golden_, config_, 8, /*bypass_rank=*/4, options_, &weights);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("blocks.0.bypass.down.weight"));
  EXPECT_FALSE(weights.blocks[0].bypass.has_value());
  const std::vector<float> values(4 * 32, 0.5f);
  const auto bytes = reinterpret_cast<const uint8_t*>(values.data());
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    const std::string name = absl::StrCat("weights.blocks.", i, ".bypass.");
    tensors_[name + "down.weight"] = {DType::kF32, {4, 32}, bytes, 4 * 32 * 4};
    tensors_[name + "up.weight"] = {DType::kF32, {32, 4}, bytes, 4 * 32 * 4};
  }
  const SafetensorsReader file = Written();
  ASSERT_TRUE(LoadTransformerWeights(file, config_, options_).ok()) << "they are not the transformer's";
  ASSERT_TRUE(LoadRouterWeights(file, config_, 8, /*bypass_rank=*/4, options_, &weights).ok());
  EXPECT_EQ(weights.blocks[3].bypass->up.sizes().vec(), (std::vector<int64_t>{32, 4}));
}

// causal_wan_dit.md section 1.
TEST(TransformerWeightTable, The13BNetworkHas825TensorsAnd1418996800Parameters) {
  TransformerWeights weights;
  int64_t parameters = 0;
  const std::vector<WeightRow> rows = TransformerWeightTable(TransformerConfig(), &weights);
  for (const WeightRow& row : rows) {
    int64_t elements = 1;
    for (const int64_t size : row.shape) elements *= size;
    parameters += elements;
  }
  EXPECT_EQ(rows.size(), 825);
  EXPECT_EQ(parameters, 1418996800);
}

}  // namespace
}  // namespace videodiffcr
