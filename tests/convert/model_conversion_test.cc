#include "convert/model_conversion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "convert/expected_tensors.h"
#include "convert/number_conversion.h"
#include "convert/safetensors_stream.h"
#include "convert/weight_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/conversion_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

using ModelConversionTest = ConversionTest;

// Every tensor of the file against the rule that made it: fp32 where `precise`, bf16 elsewhere, `round` in between.
void ExpectFilled(const SafetensorsReader& reader, const std::vector<ExpectedTensor>& table, bool all_precise,
                  float (*released)(float)) {
  EXPECT_EQ(reader.tensors().size(), table.size());
  for (const ExpectedTensor& row : table) {
    const absl::StatusOr<TensorEntry> entry = reader.Find(row.name, row.shape);
    ASSERT_TRUE(entry.ok()) << entry.status();
    const bool precise = all_precise || row.role == TensorRole::kPrecise;
    ASSERT_EQ(entry->dtype, precise ? DType::kF32 : DType::kBF16) << row.name;
    for (int64_t i = 0; i < entry->elements(); ++i) {
      const float expected = released(FillValue(row.name, i));
      if (precise) {
        float value;
        std::memcpy(&value, entry->data + 4 * i, 4);
        ASSERT_EQ(value, expected) << row.name << " " << i;
      } else {
        uint16_t value;
        std::memcpy(&value, entry->data + 2 * i, 2);
        ASSERT_EQ(value, FloatToBFloat16(expected)) << row.name << " " << i;
      }
    }
  }
}

float Float(float value) { return value; }
// To half and back, by arithmetic: 11 bits of mantissa (the values have no half subnormals worth a mention below
// 2^-14).
float Half(float value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  const int bits = std::max(exponent, -13) - 11;
  return std::ldexp(std::nearbyint(std::ldexp(value, -bits)), bits);
}

TEST_F(ModelConversionTest, MakesAFolderFromTheReleasedFiles) {
  const absl::Status status = Convert();
  ASSERT_TRUE(status.ok()) << status;
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(request_.output_folder)) {
    names.push_back(file.path().filename());
  }
  EXPECT_THAT(names, UnorderedElementsAre("config.json", "transformer.safetensors", "text_encoder.safetensors",
                                          "decoder.safetensors", "spiece.model"));
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(request_.output_folder);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(FormatModelConfig(*config), FormatModelConfig(request_.config));
  EXPECT_EQ(ReadFile(request_.output_folder + "/spiece.model"), ReadFile(request_.tokenizer_file));
}

TEST_F(ModelConversionTest, KeepsEveryValueOfEveryTensor) {
  ASSERT_TRUE(Convert().ok());
  ExpectFilled(Open("transformer.safetensors"), TransformerTensors(request_.config.transformer), false, Float);
  ExpectFilled(Open("decoder.safetensors"), TaehvTensors(request_.config.decoder, {{8, 4, 2, 2}, 2}), false, Half);
  const SafetensorsReader text = Open("text_encoder.safetensors");
  for (const ExpectedTensor& row : TextEncoderTensors(request_.config.text_encoder)) {
    const absl::StatusOr<TensorEntry> entry = text.Find(row.name, row.shape);
    ASSERT_TRUE(entry.ok()) << entry.status();
    ASSERT_EQ(entry->dtype, DType::kBF16);  // as released, gains too: widening would add nothing
    for (int64_t i = 0; i < entry->elements(); ++i) {
      uint16_t value;
      std::memcpy(&value, entry->data + 2 * i, 2);
      ASSERT_EQ(value, FloatToBFloat16(FillValue(row.name, i)));
    }
  }
}

TEST_F(ModelConversionTest, KeepsFp32WhereItIsAskedTo) {
  request_.precision.precision = StoredPrecision::kFloat32;
  ASSERT_TRUE(Convert().ok());
  ExpectFilled(Open("transformer.safetensors"), TransformerTensors(request_.config.transformer), true, Float);
}

TEST_F(ModelConversionTest, GivesTheSameFolderFromEveryFormatOfTheTransformer) {
  ASSERT_TRUE(Convert().ok());
  const std::string expected = ReadFile(request_.output_folder + "/transformer.safetensors");
  const std::vector<std::vector<std::string>> formats = {
      {TestDataPath("ode_init.pt")}, WriteTransformerShards(1), WriteTransformerShards(3)};
  for (size_t i = 0; i < formats.size(); ++i) {
    request_.transformer_files = formats[i];
    request_.output_folder = folder_.Path("model" + std::to_string(i));
    const absl::Status status = Convert();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(ReadFile(request_.output_folder + "/transformer.safetensors"), expected) << i;
  }
}

TEST_F(ModelConversionTest, ReadsTheWanVae) {
  request_.config = SmallConfig(DecoderKind::kWanVae);
  request_.decoder_files = {TestDataPath("Wan2.1_VAE.pth")};
  ASSERT_TRUE(Convert().ok());
  ExpectFilled(Open("decoder.safetensors"), WanVaeTensors(request_.config.decoder), true, Float);
}

TEST_F(ModelConversionTest, TellsTheDecodersApart) {
  request_.decoder_files = {TestDataPath("Wan2.1_VAE.pth")};
  EXPECT_THAT(Refusal(), HasSubstr("Wan2.1_VAE.pth: the Wan VAE, but decoder.kind"));
  request_.decoder_kind_from_file = true;
  ASSERT_TRUE(Convert().ok());
  EXPECT_EQ(LoadModelConfig(request_.output_folder)->decoder.kind, DecoderKind::kWanVae);
}

TEST_F(ModelConversionTest, StoresBlockLinearsAsFp8WithTheirScales) {
  request_.precision.fp8 = Fp8Scaling::kPerOutputRow;
  ASSERT_TRUE(Convert().ok());
  const SafetensorsReader reader = Open("transformer.safetensors");
  int linears = 0;
  for (const ExpectedTensor& row : TransformerTensors(request_.config.transformer)) {
    if (row.role != TensorRole::kBlockLinear) {
      EXPECT_FALSE(reader.Find(row.name + ".scale").ok()) << row.name;
      continue;
    }
    ++linears;
    const absl::StatusOr<TensorEntry> weight = reader.Find(row.name, row.shape);
    const absl::StatusOr<TensorEntry> scale = reader.Find(row.name + ".scale", {row.shape[0]});
    ASSERT_TRUE(weight.ok() && scale.ok()) << weight.status() << scale.status();
    ASSERT_EQ(weight->dtype, DType::kF8E4M3);
    ASSERT_EQ(scale->dtype, DType::kF32);
    for (int64_t i = 0; i < weight->elements(); ++i) {
      float row_scale;
      std::memcpy(&row_scale, scale->data + 4 * (i / row.shape[1]), 4);
      ASSERT_EQ(weight->data[i], FloatToE4M3(FillValue(row.name, i) / row_scale)) << row.name << " " << i;
    }
  }
  EXPECT_EQ(linears, 20);
  EXPECT_EQ(reader.tensors().size(), 69 + 20);
}

TEST_F(ModelConversionTest, TakesRoutersWithTheirTables) {
  request_.config.retention.file = "routers.safetensors";
  request_.config.retention.router_dim = 2;
  request_.config.retention.step_delta_tenths = {-3, -1, 1, 3};
  request_.config.retention.tables = {MakeRetentionTable(8, {9, 7}, {-3, -1, 1, 3})};
  const std::vector<float> values(2 * 12, 0.5f);
  std::map<std::string, TensorEntry> routers;
  for (const ExpectedTensor& row : RouterTensors(request_.config)) {
    TensorEntry entry{DType::kF32, row.shape, reinterpret_cast<const uint8_t*>(values.data()), 0};
    entry.bytes = StreamedBytes({row.name, entry.dtype, row.shape});
    routers[row.name] = entry;
  }
  request_.routers_file = folder_.Path("routers.safetensors");
  const absl::Status written = WriteSafetensors(request_.routers_file, routers, {});
  ASSERT_TRUE(written.ok()) << written;
  const absl::Status status = Convert();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Open("routers.safetensors").tensors().size(), 8);
  EXPECT_EQ(LoadModelConfig(request_.output_folder)->retention.tables.size(), 1);
}

TEST_F(ModelConversionTest, ReportsProgressUpToTheWhole) {
  ASSERT_TRUE(Convert().ok());
  ASSERT_EQ(progress_.size(), 69 + 22 + 128);
  for (size_t i = 1; i < progress_.size(); ++i) EXPECT_GT(progress_[i].done_bytes, progress_[i - 1].done_bytes);
  const int64_t tokenizer = static_cast<int64_t>(ReadFile(request_.tokenizer_file).size());
  EXPECT_EQ(progress_.back().done_bytes + tokenizer, progress_.back().total_bytes);
}

}  // namespace
}  // namespace videodiffcr
