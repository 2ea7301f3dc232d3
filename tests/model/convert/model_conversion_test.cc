// Whole conversions at small sizes, from files that PyTorch wrote under the released names (testdata/make_testdata.py).
#include "model/convert/model_conversion.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/convert/expected_tensors.h"
#include "model/convert/model_presets.h"
#include "model/convert/number_conversion.h"
#include "model/convert/safetensors_stream.h"
#include "model/convert/weight_set.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"
#include "tests/model/convert/test_files.h"
#include "tests/model/text/sentencepiece_model_builder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// The sizes of make_testdata.py.
ModelConfig SmallConfig(DecoderKind decoder) {
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

class ModelConversion : public testing::Test {
 protected:
  ModelConversion() {
    WriteFile(folder_.File("spiece.model"), SentencePieceModelBuilder(SentencePieceModelBuilder::kUnigram)
                                                .AddSpecialPieces()
                                                .Add("\xe2\x96\x81"
                                                     "cat",
                                                     SentencePieceModelBuilder::kNormal)
                                                .Build());
    request_.config = SmallConfig(DecoderKind::kTaehv);
    request_.transformer_files = {TestDataPath("self_forcing_dmd.pt")};
    request_.text_encoder_file = TestDataPath("models_t5_umt5-xxl-enc-bf16.pth");
    request_.tokenizer_file = folder_.File("spiece.model");
    request_.decoder_file = TestDataPath("taew2_1.pth");
    request_.output_folder = folder_.File("model");
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
    const absl::StatusOr<WeightSet> set = WeightSet::Open(request_.transformer_files, {{"generator_ema"}, true}, true);
    EXPECT_TRUE(set.ok()) << set.status();
    std::vector<std::map<std::string, TensorEntry>> parts(shards);
    size_t index = 0;
    for (const auto& [name, tensor] : set->tensors()) {
      parts[index++ % shards][name] = {tensor.dtype, tensor.shape, tensor.bytes.data(),
                                       static_cast<int64_t>(tensor.bytes.size())};
    }
    std::vector<std::string> paths;
    for (size_t i = 0; i < shards; ++i) {
      paths.push_back(folder_.File("diffusion_pytorch_model-" + std::to_string(i) + "-of-" + std::to_string(shards) +
                                   ".safetensors"));
      EXPECT_TRUE(WriteSafetensors(paths.back(), parts[i], {{"format", "pt"}}).ok());
    }
    return paths;
  }

  TemporaryFolder folder_;
  ConversionRequest request_;
  std::vector<ConversionProgress> progress_;
};

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

TEST_F(ModelConversion, MakesAFolderFromTheReleasedFiles) {
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

TEST_F(ModelConversion, KeepsEveryValueOfEveryTensor) {
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

TEST_F(ModelConversion, KeepsFp32WhereItIsAskedTo) {
  request_.precision.precision = StoredPrecision::kFloat32;
  ASSERT_TRUE(Convert().ok());
  ExpectFilled(Open("transformer.safetensors"), TransformerTensors(request_.config.transformer), true, Float);
}

TEST_F(ModelConversion, GivesTheSameFolderFromEveryFormatOfTheTransformer) {
  ASSERT_TRUE(Convert().ok());
  const std::string expected = ReadFile(request_.output_folder + "/transformer.safetensors");
  const std::vector<std::vector<std::string>> formats = {
      {TestDataPath("ode_init.pt")}, WriteTransformerShards(1), WriteTransformerShards(3)};
  for (size_t i = 0; i < formats.size(); ++i) {
    request_.transformer_files = formats[i];
    request_.output_folder = folder_.File("model" + std::to_string(i));
    const absl::Status status = Convert();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(ReadFile(request_.output_folder + "/transformer.safetensors"), expected) << i;
  }
}

TEST_F(ModelConversion, ReadsTheWanVae) {
  request_.config = SmallConfig(DecoderKind::kWanVae);
  request_.decoder_file = TestDataPath("Wan2.1_VAE.pth");
  ASSERT_TRUE(Convert().ok());
  ExpectFilled(Open("decoder.safetensors"), WanVaeTensors(request_.config.decoder), true, Float);
}

TEST_F(ModelConversion, TellsTheDecodersApart) {
  request_.decoder_file = TestDataPath("Wan2.1_VAE.pth");
  EXPECT_THAT(Refusal(), HasSubstr("Wan2.1_VAE.pth: the Wan VAE, but decoder.kind"));
  request_.decoder_kind_from_file = true;
  ASSERT_TRUE(Convert().ok());
  EXPECT_EQ(LoadModelConfig(request_.output_folder)->decoder.kind, DecoderKind::kWanVae);
}

TEST_F(ModelConversion, StoresBlockLinearsAsFp8WithTheirScales) {
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

TEST_F(ModelConversion, TakesRoutersWithTheirTables) {
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
  request_.routers_file = folder_.File("routers.safetensors");
  const absl::Status written = WriteSafetensors(request_.routers_file, routers, {});
  ASSERT_TRUE(written.ok()) << written;
  const absl::Status status = Convert();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Open("routers.safetensors").tensors().size(), 8);
  EXPECT_EQ(LoadModelConfig(request_.output_folder)->retention.tables.size(), 1);
}

TEST_F(ModelConversion, WantsRoutersAndTablesTogether) {
  request_.routers_file = "routers.safetensors";
  EXPECT_THAT(Refusal(), HasSubstr("routers need a config with a retention part"));
  request_.routers_file.clear();
  request_.config.retention.file = "routers.safetensors";
  request_.config.retention.router_dim = 2;
  request_.config.retention.step_delta_tenths = {0, 0, 0, 0};
  EXPECT_THAT(Refusal(), HasSubstr("the file of its routers is needed"));
}

TEST_F(ModelConversion, NamesFileAndTensorOfASizeThatDiffers) {
  request_.config.transformer.ffn_dim = 21;
  EXPECT_THAT(Refusal(), HasSubstr("self_forcing_dmd.pt: of 69 tensors expected and 69 found, 6 of another shape "
                                   "(blocks.0.ffn.0.weight is [20,12], expected [21,12]"));
}

TEST_F(ModelConversion, NamesTensorsThatAreMissingOrSurplus) {
  request_.config.transformer.num_layers = 1;
  EXPECT_THAT(Refusal(), HasSubstr("27 that this network does not have (blocks.1.cross_attn.k.bias"));
  request_.config.transformer.num_layers = 3;
  EXPECT_THAT(Refusal(), HasSubstr("27 missing (blocks.2.modulation"));
}

TEST_F(ModelConversion, RefusesAFileForAnotherPurpose) {
  std::swap(request_.text_encoder_file, request_.decoder_file);
  EXPECT_THAT(Refusal(), HasSubstr("taew2_1.pth: of 22 tensors expected"));
}

TEST_F(ModelConversion, RefusesATokenizerThatIsNone) {
  request_.tokenizer_file = TestDataPath("taew2_1.pth");
  EXPECT_THAT(Refusal(), HasSubstr("taew2_1.pth: not a SentencePiece model"));
  request_.tokenizer_file = "no/spiece.model";
  EXPECT_THAT(Refusal(), HasSubstr("no/spiece.model"));
}

TEST_F(ModelConversion, RefusesTwoFilesOfOneName) {
  request_.config.tokenizer.file = "config.json";
  EXPECT_THAT(Refusal(), HasSubstr("two files of the folder have the same name"));
}

TEST_F(ModelConversion, RefusesTheSameTensorInTwoShards) {
  request_.transformer_files.push_back(TestDataPath("ode_init.pt"));
  EXPECT_THAT(Refusal(), HasSubstr("ode_init.pt: tensor 'model.blocks.0.cross_attn.k.bias' is a second "
                                   "'blocks.0.cross_attn.k.bias'"));
}

TEST_F(ModelConversion, NamesTheTensorWhoseDataIsDamaged) {
  std::string file = ReadFile(request_.transformer_files[0]);
  const size_t data = file.find("self_forcing_dmd/data/40");
  ASSERT_NE(data, std::string::npos);
  file[data + 128] ^= 1;  // the entry's data starts at the next multiple of 64
  request_.transformer_files = {folder_.File("damaged.pt")};
  WriteFile(request_.transformer_files[0], file);
  EXPECT_THAT(Refusal(), testing::ContainsRegex("damaged.pt: tensor [a-z0-9_.]+: .*data/40': checksum"));
}

TEST_F(ModelConversion, ReportsProgressUpToTheWhole) {
  ASSERT_TRUE(Convert().ok());
  ASSERT_EQ(progress_.size(), 69 + 22 + 128);
  for (size_t i = 1; i < progress_.size(); ++i) EXPECT_GT(progress_[i].done_bytes, progress_[i - 1].done_bytes);
  const int64_t tokenizer = static_cast<int64_t>(ReadFile(request_.tokenizer_file).size());
  EXPECT_EQ(progress_.back().done_bytes + tokenizer, progress_.back().total_bytes);
}

TEST_F(ModelConversion, OverwritesNothing) {
  std::filesystem::create_directory(request_.output_folder);
  EXPECT_EQ(Convert().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ModelConversion, LeavesNoFolderThatLoadsWhenItIsKilledAndCanBeRunAgain) {
  for (const int64_t last_tensor : {1, 40, 100, 69 + 22 + 128}) {
    int64_t count = 0;
    const auto die = [&](const ConversionProgress&) {
      if (++count == last_tensor) _exit(9);
    };
    EXPECT_EXIT(ConvertModel(request_, die).IgnoreError(), testing::ExitedWithCode(9), "");
    EXPECT_FALSE(std::filesystem::exists(request_.output_folder));
    EXPECT_TRUE(std::filesystem::exists(request_.output_folder + ".partial"));
    EXPECT_FALSE(LoadModelConfig(request_.output_folder + ".partial").ok());
  }
  EXPECT_TRUE(Convert().ok());
  EXPECT_TRUE(LoadModelConfig(request_.output_folder).ok());
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder + ".partial"));
}

TEST_F(ModelConversion, LeavesNothingWhenTheDiskRefusesToTakeMore) {
  // A file size limit stands in for a full disk: write() fails with EFBIG once the signal is ignored.
  const auto convert_within_limit = [this] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, 8192};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = MessageOf(Convert());
    _exit(message.find("cannot write") != std::string::npos ? 7 : 8);
  };
  EXPECT_EXIT(convert_within_limit(), testing::ExitedWithCode(7), "");
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder));
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder + ".partial"));
}

TEST(StripWrappers, RemovesWhatTrainingAdds) {
  EXPECT_EQ(StripWrappers("model.blocks.0.self_attn.q.weight"), "blocks.0.self_attn.q.weight");
  EXPECT_EQ(StripWrappers("model._fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module.ffn.0.weight"),
            "blocks.0.ffn.0.weight");
  EXPECT_EQ(StripWrappers("_orig_mod.model.head.modulation"), "head.modulation");
  EXPECT_EQ(StripWrappers("patch_embedding.weight"), "patch_embedding.weight");
}

}  // namespace
}  // namespace videodiffcr
