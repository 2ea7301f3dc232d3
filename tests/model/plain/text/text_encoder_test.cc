#include "model/plain/text/text_encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "model/gpu/text/packed_text_encoder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string SourceDir() { return std::getenv("VIDEODIFFCR_SOURCE_DIR"); }
SafetensorsReader Open(const std::string& path) { return SafetensorsReader::Open(SourceDir() + "/" + path).value(); }
at::Tensor Read(const SafetensorsReader& reader, const std::string& name) {
  return CopyToTensor(reader.Find(name).value());
}
double WorstError(const at::Tensor& ours, const at::Tensor& golden) {
  return (ours - golden).abs().max().item<double>();
}

struct Encoder {
  TextEncoderConfig config;
  TextEncoderWeights weights;
};

Encoder GoldenEncoder(const SafetensorsReader& golden) {
  const TextEncoderConfig config = ParseTextEncoderConfig(golden.metadata().at("config")).value();
  return {config, LoadTextEncoderWeights(golden, config, {.prefix = "weights."}).value()};
}

Encoder TinyEncoder() {
  const TextEncoderConfig config = LoadModelConfig(SourceDir() + "/models/tiny")->text_encoder;
  return {config, LoadTextEncoderWeights(Open("tests/golden/tiny/text_encoder.safetensors"), config).value()};
}

TEST(TextEncoder, MatchesTheReferenceImplementation) {
  const SafetensorsReader golden = Open("tests/golden/umt5.safetensors");
  const Encoder encoder = GoldenEncoder(golden);
  const at::Tensor ids = Read(golden, "in.ids").to(at::kLong).unsqueeze(0);
  EXPECT_LE(WorstError(EncodeTokens(encoder.config, encoder.weights, ids)[0], Read(golden, "out.hidden")), 1e-4);
}

TEST(TextEncoder, MatchesTheTinyModelsReferenceRowsAndZeroPadding) {
  const SafetensorsReader golden = Open("tests/golden/tiny/rollout.safetensors");
  const Encoder encoder = TinyEncoder();
  const std::vector<std::vector<int32_t>> prompts = {{4, 30, 45, 16, 34, 46, 22, 38, 4, 36, 15, 7, 1},
                                                     {4, 48, 63, 50, 11, 47, 38, 4, 9, 42, 7, 1}};
  const at::Tensor hidden = EncodePrompts(encoder.config, encoder.weights, prompts, 32).value();
  EXPECT_LE(WorstError(hidden, Read(golden, "out.text_hidden")), 1e-4);
  EXPECT_EQ(hidden[0].slice(0, 13).abs().max().item<double>(), 0.0);
}

TEST(TextEncoder, GivesAPromptOfAPaddedBatchTheRowsThatItHasWithoutPadding) {
  const Encoder encoder = TinyEncoder();
  const std::vector<int32_t> prompt = {4, 30, 45, 16, 1};
  const at::Tensor among = EncodePrompts(encoder.config, encoder.weights, {{5, 6, 7, 8, 9, 10, 1}, prompt}, 32).value();
  const at::Tensor ids = at::tensor(std::vector<int64_t>(prompt.begin(), prompt.end()), at::kLong).unsqueeze(0);
  EXPECT_LE(WorstError(among[1].slice(0, 0, 5), EncodeTokens(encoder.config, encoder.weights, ids)[0]), 1e-5);
  EXPECT_EQ(among[1].slice(0, 5).abs().max().item<double>(), 0.0);
}

TEST(TextEncoder, GivesAPromptTheSameRowsInAnyCompany) {
  const Encoder encoder = TinyEncoder();
  const std::vector<int32_t> prompt = {4, 30, 45, 16, 1};
  const at::Tensor alone = EncodePrompts(encoder.config, encoder.weights, {prompt}, 32).value();
  const at::Tensor among = EncodePrompts(encoder.config, encoder.weights, {{1}, {5, 6, 7, 8, 1}, prompt}, 32).value();
  EXPECT_TRUE(at::allclose(alone[0], among[2], 0, 1e-5));
}

TEST(TextEncoder, CarriesGradientsToEveryWeight) {
  Encoder encoder = TinyEncoder();
  const std::vector<WeightRow> rows = TextEncoderWeightTable(encoder.config, &encoder.weights);
  for (const WeightRow& row : rows) row.destination->requires_grad_(true);
  EncodePrompts(encoder.config, encoder.weights, {{4, 30, 1}}, 32)->square().sum().backward();
  for (const WeightRow& row : rows) EXPECT_GT(row.destination->grad().abs().sum().item<double>(), 0.0) << row.name;
}

TEST(PackedTextEncoder, MatchesTheReferenceImplementation) {
  const SafetensorsReader golden = Open("tests/golden/umt5.safetensors");
  Encoder encoder = GoldenEncoder(golden);
  const at::Tensor ids = Read(golden, "in.ids");
  const int32_t* first = ids.const_data_ptr<int32_t>();
  const PackedTextEncoder packed(encoder.config, std::move(encoder.weights), 512);
  EXPECT_LE(WorstError(packed.Encode({first, first + ids.numel()}).value(), Read(golden, "out.hidden")), 1e-4);
}

TEST(PackedTextEncoder, GivesPromptsOfEveryLengthThePlainRows) {
  const Encoder plain = TinyEncoder();
  const PackedTextEncoder packed(plain.config, TinyEncoder().weights, 32);
  std::vector<int32_t> prompt;
  for (int32_t id = 1; id <= 32; ++id) {
    prompt.push_back(id);
    const at::Tensor ids = at::tensor(std::vector<int64_t>(prompt.begin(), prompt.end())).unsqueeze(0);
    EXPECT_LE(WorstError(packed.Encode(prompt).value(), EncodeTokens(plain.config, plain.weights, ids)[0]), 1e-4) << id;
  }
}

TEST(PackedTextEncoder, RefusesWhatThePlainOneRefuses) {
  const PackedTextEncoder packed(TinyEncoder().config, TinyEncoder().weights, 4);
  EXPECT_THAT(packed.Encode({4, 64, 1}).status().message(), HasSubstr("token id 64"));
  EXPECT_THAT(packed.Encode({4, 4, 4, 4, 1}).status().message(), HasSubstr("5 tokens; must be 1 to 4"));
  EXPECT_THAT(packed.Encode({}).status().message(), HasSubstr("0 tokens"));
}

TEST(PackedTextEncoder, KeepsNoWeightTwice) {
  const Encoder plain = TinyEncoder();
  TextEncoderWeights counted;
  int64_t bytes = 0;
  for (const WeightRow& row : TextEncoderWeightTable(plain.config, &counted)) {
    int64_t values = 1;
    for (const int64_t size : row.shape) values *= size;
    bytes += 4 * values;
  }
  // Biases are kept by distance instead of by bucket.
  bytes += 4 * plain.config.num_layers * plain.config.num_heads * (2 * 32 - 1 - plain.config.num_buckets);
  EXPECT_EQ(PackedTextEncoder(plain.config, TinyEncoder().weights, 32).bytes(), bytes);
}

TEST(TextEncoder, RefusesIdsOutsideTheVocabularyAndPromptsThatDoNotFit) {
  const Encoder encoder = TinyEncoder();
  const auto error = [&](const std::vector<int32_t>& prompt) {
    return std::string(EncodePrompts(encoder.config, encoder.weights, {prompt}, 4).status().message());
  };
  EXPECT_THAT(error({4, 64, 1}), HasSubstr("token id 64; the text encoder has 64 embedding rows"));
  EXPECT_THAT(error({-1}), HasSubstr("token id -1"));
  EXPECT_THAT(error({4, 4, 4, 4, 1}), HasSubstr("5 tokens; must be 1 to 4"));
  EXPECT_THAT(error({}), HasSubstr("0 tokens"));
  EXPECT_FALSE(EncodePrompts(encoder.config, encoder.weights, {}, 4).ok());
}

TEST(TextEncoder, NamesTheTensorWhoseShapeIsNotTheConfigs) {
  TextEncoderConfig config = TinyEncoder().config;
  config.dim_ffn = 512;
  EXPECT_THAT(LoadTextEncoderWeights(Open("models/tiny/text_encoder.safetensors"), config).status().message(),
              HasSubstr("blocks.0.ffn.gate.0.weight"));
}

TEST(TextEncoder, NamesTheTensorThatTheConfigHasNoLayerFor) {
  TextEncoderConfig config = TinyEncoder().config;
  config.num_layers = 1;
  EXPECT_THAT(LoadTextEncoderWeights(Open("models/tiny/text_encoder.safetensors"), config).status().message(),
              HasSubstr("blocks.1."));
}

}  // namespace
}  // namespace videodiffcr
