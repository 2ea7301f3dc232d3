#include "convert/lora.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "convert/lora_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/weights/safetensors_writer.h"
#include "tests/convert/conversion_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// Of the small transformer: q and k of the first block are [12, 12], ffn.0 is [20, 12].
std::vector<ExpectedTensor> Transformer() { return TransformerTensors(SmallConfig(DecoderKind::kTaehv).transformer); }

TEST(LoraKeys, KnowTheKeysOfEveryTrainer) {
  const LoraKeys keys(Transformer());
  const auto parse = [&keys](absl::string_view key) {
    const std::optional<LoraKey> found = keys.Parse(key);
    return found.has_value() ? found->tensor + " " + std::to_string(static_cast<int>(found->part)) : "nothing";
  };
  for (const char* down :
       {"base_model.model.blocks.0.self_attn.q.lora_A.weight",
        "base_model.model.model.blocks.0.self_attn.q.lora_A.default.weight",
        "diffusion_model.blocks.0.self_attn.q.lora_down.weight", "transformer.blocks.0.attn1.to_q.lora_A.weight",
        "blocks.0.attn1.to_q.lora.down.weight", "lora_unet_blocks_0_self_attn_q.lora_down.weight",
        "lora_transformer_blocks_0_attn1_to_q.lora_down.weight", "lora_unet__blocks_0_self_attn_q.lora_down.weight",
        "lycoris_blocks_0_self_attn_q.lora_down.weight", "model.blocks.0.self_attn.q.lora_A.turbo.weight"}) {
    EXPECT_EQ(parse(down), "blocks.0.self_attn.q.weight 0") << down;
  }
  EXPECT_EQ(parse("base_model.model.blocks.1.ffn.2.lora_B.weight"), "blocks.1.ffn.2.weight 1");
  EXPECT_EQ(parse("lora_unet_blocks_1_ffn_2.alpha"), "blocks.1.ffn.2.weight 2");
  EXPECT_EQ(parse("diffusion_model.blocks.1.norm3.diff"), "blocks.1.norm3.weight 3");
  EXPECT_EQ(parse("diffusion_model.blocks.1.ffn.0.diff_b"), "blocks.1.ffn.0.bias 3");
  EXPECT_EQ(parse("diffusion_model.head.diff_m"), "head.modulation 3");
  EXPECT_EQ(parse("transformer.blocks.0.attn2.to_out.0.lora_B.weight"), "blocks.0.cross_attn.o.weight 1");
  for (const char* other : {"blocks.9.self_attn.q.lora_A.weight", "lora_te_text_model_q.lora_down.weight", "blocks.0.q",
                            "blocks.0.self_attn.q.lora_A.default.bias", "blocks.0.self_attn.q.lora_A.a.b.weight"}) {
    EXPECT_EQ(parse(other), "nothing") << other;
  }
}

class LoraTest : public ConversionTest {
 protected:
  void Add(const std::string& name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<float>& values = values_[name];
    for (int64_t i = 0; i < count; ++i) values.push_back(FillValue(name, i));
    shapes_[name] = std::move(shape);
  }
  std::string Write(const std::string& file, const std::map<std::string, std::string>& metadata = {}) {
    std::map<std::string, TensorEntry> entries;
    for (const auto& [name, values] : values_) {
      entries[name] = {DType::kF32, shapes_.at(name), reinterpret_cast<const uint8_t*>(values.data()),
                       static_cast<int64_t>(values.size() * sizeof(float))};
    }
    const std::string path = folder_.Path(file);
    EXPECT_TRUE(WriteSafetensors(path, entries, metadata).ok());
    return path;
  }
  std::string Refusal(const std::string& path) {
    return MessageOf(LoraSet::Open({{path}}, Transformer(), folder_.Path("")));
  }
  // A tensor of the folder that was made with these LoRAs, in fp32.
  std::vector<float> Converted(const std::string& tensor, const std::vector<LoraFile>& loras) {
    request_.loras = loras;
    request_.precision.precision = StoredPrecision::kFloat32;
    std::filesystem::remove_all(request_.output_folder);
    const absl::Status status = Convert();
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return {};
    const SafetensorsReader reader = Open("transformer.safetensors");
    const TensorEntry entry = *reader.Find(tensor);
    EXPECT_EQ(entry.dtype, DType::kF32);
    std::vector<float> values(entry.elements());
    std::memcpy(values.data(), entry.data, entry.bytes);
    return values;
  }
  // What `tensor` [rows, columns] must be: its own values, and factor * up down.
  void ExpectMerged(const std::vector<float>& merged, const std::string& tensor, int64_t columns,
                    const std::string& down, const std::string& up, double factor) {
    const int64_t rank = static_cast<int64_t>(values_[down].size()) / columns;
    ASSERT_FALSE(merged.empty());
    for (size_t i = 0; i < merged.size(); ++i) {
      const int64_t row = static_cast<int64_t>(i) / columns, column = static_cast<int64_t>(i) % columns;
      double sum = 0;
      for (int64_t k = 0; k < rank; ++k) {
        sum += factor * values_[up][row * rank + k] * values_[down][k * columns + column];
      }
      ASSERT_NEAR(merged[i], FillValue(tensor, i) + sum, 1e-6) << i;
    }
  }

  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<int64_t>> shapes_;
};

TEST_F(LoraTest, MergesFactorsWithScaleAlphaAndRank) {
  const std::string base = "diffusion_model.blocks.0.ffn.0.";
  Add(base + "lora_down.weight", {3, 12});
  Add(base + "lora_up.weight", {20, 3});
  Add(base + "alpha", {});
  const double alpha = values_[base + "alpha"][0];
  const std::vector<float> merged = Converted("blocks.0.ffn.0.weight", {{Write("a.safetensors"), 0.5}});
  ExpectMerged(merged, "blocks.0.ffn.0.weight", 12, base + "lora_down.weight", base + "lora_up.weight",
               0.5 * alpha / 3);
}

TEST_F(LoraTest, AddsSeveralFilesAtOnce) {
  Add("lora_unet_blocks_0_self_attn_q.lora_down.weight", {2, 12});
  Add("lora_unet_blocks_0_self_attn_q.lora_up.weight", {12, 2});
  const std::string path = Write("kohya.safetensors");
  const std::vector<float> twice = Converted("blocks.0.self_attn.q.weight", {{path, 0.75}, {path, 0.25}});
  ExpectMerged(twice, "blocks.0.self_attn.q.weight", 12, "lora_unet_blocks_0_self_attn_q.lora_down.weight",
               "lora_unet_blocks_0_self_attn_q.lora_up.weight", 1.0);
}

TEST_F(LoraTest, MergesAConvolutionAndAWholeDifference) {
  Add("diffusion_model.patch_embedding.lora_down.weight", {2, 4, 1, 2, 2});
  Add("diffusion_model.patch_embedding.lora_up.weight", {12, 2, 1, 1, 1});
  Add("diffusion_model.blocks.1.norm3.diff_b", {12});
  const std::string path = Write("a.safetensors");
  ExpectMerged(Converted("patch_embedding.weight", {{path, 2.0}}), "patch_embedding.weight", 16,
               "diffusion_model.patch_embedding.lora_down.weight", "diffusion_model.patch_embedding.lora_up.weight",
               2.0);
  const std::vector<float> bias = Converted("blocks.1.norm3.bias", {{path, 2.0}});
  for (size_t i = 0; i < bias.size(); ++i) {
    EXPECT_FLOAT_EQ(bias[i],
                    FillValue("blocks.1.norm3.bias", i) + 2 * FillValue("diffusion_model.blocks.1.norm3.diff_b", i));
  }
}

TEST_F(LoraTest, TakesAlphaFromTheConfigOfPeftOrTheMetadataOfDiffusers) {
  Add("base_model.model.blocks.0.self_attn.q.lora_A.weight", {2, 12});
  Add("base_model.model.blocks.0.self_attn.q.lora_B.weight", {12, 2});
  std::filesystem::create_directory(folder_.Path("adapter"));
  Write("adapter/adapter_model.safetensors");
  const auto expect = [this](const std::string& path, double factor) {
    ExpectMerged(Converted("blocks.0.self_attn.q.weight", {{path}}), "blocks.0.self_attn.q.weight", 12,
                 "base_model.model.blocks.0.self_attn.q.lora_A.weight",
                 "base_model.model.blocks.0.self_attn.q.lora_B.weight", factor);
  };
  WriteFile(folder_.Path("adapter/adapter_config.json"), R"({"r": 2, "lora_alpha": 8})");
  expect(folder_.Path("adapter"), 4.0);
  WriteFile(folder_.Path("adapter/adapter_config.json"), R"({"r": 2, "lora_alpha": 8, "use_rslora": true})");
  expect(folder_.Path("adapter"), 8.0 / std::sqrt(2.0));
  expect(Write("d.safetensors", {{"lora_adapter_metadata", R"({"transformer.r": 2, "transformer.lora_alpha": 6})"}}),
         3.0);
  expect(Write("none.safetensors"), 1.0);
  WriteFile(folder_.Path("adapter/adapter_config.json"), R"({"lora_alpha": 8, "use_dora": true})");
  EXPECT_THAT(Refusal(folder_.Path("adapter")), HasSubstr("DoRA is not read"));
}

TEST_F(LoraTest, RefusesKeysOfNothingAndHalvesAndShapesThatDoNotFit) {
  Add("diffusion_model.blocks.0.self_attn.q.lora_down.weight", {2, 12});
  EXPECT_THAT(Refusal(Write("half.safetensors")), HasSubstr("has one factor of a change and not the other"));
  Add("diffusion_model.blocks.0.self_attn.q.lora_up.weight", {12, 3});
  EXPECT_THAT(Refusal(Write("shape.safetensors")), HasSubstr("[12,3] times"));
  Add("diffusion_model.blocks.7.self_attn.q.lora_up.weight", {12, 3});
  EXPECT_THAT(
      Refusal(Write("surplus.safetensors")),
      HasSubstr("1 keys change no tensor of this transformer (diffusion_model.blocks.7.self_attn.q.lora_up.weight)"));
  values_.clear();
  Add("blocks.0.self_attn.q.dora_scale", {12});
  EXPECT_THAT(Refusal(Write("dora.safetensors")), HasSubstr("are of a DoRA, not LoRA"));
}

TEST_F(LoraTest, ANameThatWouldSteerATerminalIsShownEscaped) {
  const std::string adapter = "\x1b[2J";
  Add("blocks.0.self_attn.q.lora_A." + adapter + ".weight", {2, 12});
  EXPECT_THAT(Refusal(Write("half.safetensors")), HasSubstr("blocks.0.self_attn.q.lora_A.\\x1b[2J.weight"));
  Add("blocks.0.self_attn.q.lora_B." + adapter + ".weight", {12, 3});
  const std::string refusal = Refusal(Write("shape.safetensors"));
  EXPECT_THAT(refusal, HasSubstr("lora_B.\\x1b[2J.weight [12,3] times"));
  EXPECT_EQ(refusal.find('\x1b'), std::string::npos) << refusal;
}

}  // namespace
}  // namespace videodiffcr
