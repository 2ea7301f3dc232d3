// A whole conversion at small sizes, from files that PyTorch wrote under the released names
// (testdata/make_testdata.py).
#ifndef VIDEODIFFCR_TESTS_CONVERT_CONVERSION_FIXTURE_H_
#define VIDEODIFFCR_TESTS_CONVERT_CONVERSION_FIXTURE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "convert/model_conversion.h"
#include "convert/model_presets.h"
#include "convert/weight_set.h"
#include "gtest/gtest.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"
#include "tests/convert/test_files.h"
#include "tests/model/plain/text/sentencepiece_model_builder.h"

namespace videodiffcr {

// The sizes of make_testdata.py.
inline ModelConfig SmallConfig(DecoderKind decoder) {
  ModelConfig config = Wan21TextToVideo1_3B(decoder);
  TransformerConfig& t = config.transformer;
  t.in_dim = t.out_dim = 4;
  t.dim = 12;
  t.ffn_dim = 20;
  t.freq_dim = 8;
  t.text_dim = 10;
  t.num_heads = 2;
  t.num_layers = 2;
  t.latent_height = 4;
  t.latent_width = 6;
  config.text_encoder = {.vocab_size = 24, .dim = 10, .dim_attn = 8, .dim_ffn = 12, .num_heads = 2, .num_layers = 2};
  config.decoder.z_dim = 4;
  config.decoder.base_dim = 1;
  return config;
}

class ConversionTest : public testing::Test {
 protected:
  ConversionTest() {
    WriteFile(folder_.Path("spiece.model"), SentencePieceModelBuilder(SentencePieceModelBuilder::kUnigram)
                                                .AddSpecialPieces()
                                                .Add("\xe2\x96\x81"
                                                     "cat",
                                                     SentencePieceModelBuilder::kNormal)
                                                .Build());
    request_.config = SmallConfig(DecoderKind::kTaehv);
    request_.transformer_files = {TestDataPath("self_forcing_dmd.pt")};
    request_.text_encoder_files = {TestDataPath("models_t5_umt5-xxl-enc-bf16.pth")};
    request_.tokenizer_file = folder_.Path("spiece.model");
    request_.decoder_files = {TestDataPath("taew2_1.pth")};
    request_.output_folder = folder_.Path("model");
  }

  absl::Status Convert() {
    return ConvertModel(request_, [this](const ConversionProgress& progress) { progress_.push_back(progress); });
  }
  std::string Refusal() {
    const std::string message = MessageOf(Convert());
    EXPECT_FALSE(std::filesystem::exists(request_.output_folder));
    EXPECT_FALSE(std::filesystem::exists(request_.output_folder + ".partial"));
    return message;
  }
  SafetensorsReader Open(const std::string& name) {
    absl::StatusOr<SafetensorsReader> reader = SafetensorsReader::Open(request_.output_folder + "/" + name);
    if (!reader.ok()) ADD_FAILURE() << reader.status();
    return *std::move(reader);
  }
  // The transformer as released safetensors: fp32, names without prefix, split into as many files as `shards`.
  std::vector<std::string> WriteTransformerShards(size_t shards) {
    const absl::StatusOr<WeightSet> set = WeightSet::Open(request_.transformer_files, {{"generator_ema"}, true, ""});
    EXPECT_TRUE(set.ok()) << set.status();
    std::vector<std::map<std::string, TensorEntry>> parts(shards);
    size_t index = 0;
    for (const auto& [name, tensor] : set->tensors()) {
      parts[index++ % shards][name] = {tensor.dtype, tensor.shape, tensor.bytes.data(),
                                       static_cast<int64_t>(tensor.bytes.size())};
    }
    std::vector<std::string> paths;
    for (size_t i = 0; i < shards; ++i) {
      paths.push_back(folder_.Path("diffusion_pytorch_model-" + std::to_string(i) + "-of-" + std::to_string(shards) +
                                   ".safetensors"));
      EXPECT_TRUE(WriteSafetensors(paths.back(), parts[i], {{"format", "pt"}}).ok());
    }
    return paths;
  }

  TemporaryFolder folder_;
  ConversionRequest request_;
  std::vector<ConversionProgress> progress_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_CONVERT_CONVERSION_FIXTURE_H_
