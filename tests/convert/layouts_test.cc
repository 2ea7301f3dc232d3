// The same weights in every layout that people have end in the same folder.
#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "convert/number_conversion.h"
#include "convert/tensor_names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/conversion_fixture.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/zip_builder.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Renaming = std::function<std::string(const std::string&)>;

// A tensor with bytes of its own.
struct OwnedTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::string bytes;
};
using OwnedTensors = std::map<std::string, OwnedTensor>;

class LayoutsTest : public ConversionTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Convert().ok());
    plain_ = request_.output_folder;
    request_.output_folder = folder_.Path("again");
  }
  OwnedTensors Read(const std::string& path, const std::vector<std::string>& entries = {}) {
    const absl::StatusOr<WeightSet> set = WeightSet::Open({path}, {entries, false, ""});
    EXPECT_TRUE(set.ok()) << set.status();
    OwnedTensors tensors;
    for (const auto& [name, tensor] : set->tensors()) {
      tensors[name] = {tensor.dtype, tensor.shape, std::string(tensor.bytes.begin(), tensor.bytes.end())};
    }
    return tensors;
  }
  OwnedTensors Transformer() { return Read(TestDataPath("self_forcing_dmd.pt"), {"generator_ema"}); }
  std::string WriteSafe(const std::string& name, const OwnedTensors& tensors, const Renaming& rename) {
    std::map<std::string, TensorEntry> entries;
    for (const auto& [key, tensor] : tensors) {
      entries[rename(key)] = {tensor.dtype, tensor.shape, reinterpret_cast<const uint8_t*>(tensor.bytes.data()),
                              static_cast<int64_t>(tensor.bytes.size())};
    }
    const std::string path = folder_.Path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    EXPECT_TRUE(WriteSafetensors(path, entries, {}).ok());
    return path;
  }
  // A torch.save file of the tensors; `write` puts each into the pickle, `pack` changes each zip entry.
  std::string WriteTorch(
      const std::string& name, const OwnedTensors& tensors,
      const std::function<void(PickleBuilder&, const TestTensor&)>& write,
      const std::function<void(ZipTestEntry&)>& pack = [](ZipTestEntry&) {}, const ZipTestOptions& options = {}) {
    PickleBuilder pickle;
    pickle.Op('}');
    if (empty_ema_) pickle.String("generator_ema").Op('}').Op('s');
    pickle.String("generator").Op('}').Op('(');
    std::vector<ZipTestEntry> entries;
    for (const auto& [key, tensor] : tensors) {
      TestTensor row{.key = std::to_string(entries.size()), .shape = tensor.shape};
      row.storage_elements = static_cast<int64_t>(tensor.bytes.size()) / 4;
      int64_t stride = 1;
      for (size_t i = tensor.shape.size(); i-- > 0; stride *= tensor.shape[i]) {
        row.strides.insert(row.strides.begin(), stride);
      }
      pickle.String("model." + key);
      write(pickle, row);
      entries.push_back({.name = "m/data/" + row.key, .data = tensor.bytes});
    }
    entries.push_back({.name = "m/data.pkl", .data = pickle.Op('u').Op('s').Stop()});
    entries.push_back({.name = "m/version", .data = "3\n"});
    for (ZipTestEntry& entry : entries) pack(entry);
    const std::string path = folder_.Path(name);
    WriteFile(path, BuildZip(entries, options));
    return path;
  }
  void ExpectTheSame(const std::string& network) {
    std::filesystem::remove_all(request_.output_folder);
    const absl::Status status = ConvertModel(
        request_, [](const ConversionProgress&) {}, [this](const std::string& note) { notes_.push_back(note); });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(ReadFile(request_.output_folder + "/" + network), ReadFile(plain_ + "/" + network));
  }
  void ExpectTheSameTransformer(const std::string& path) {
    SCOPED_TRACE(path);
    request_.transformer_files = {path};
    ExpectTheSame("transformer.safetensors");
  }

  std::string plain_;
  bool empty_ema_ = false;  // in the files of WriteTorch()
  std::vector<std::string> notes_;
};

std::string Unchanged(const std::string& name) { return name; }

void WritePlain(PickleBuilder& pickle, const TestTensor& tensor) { pickle.Tensor(tensor); }

TEST_F(LayoutsTest, PrefixesOfPackagers) {
  for (const std::string prefix :
       {"model.diffusion_model.", "diffusion_model.", "module.", "model.model.", "generator.model."}) {
    ExpectTheSameTransformer(
        WriteSafe("prefixed.safetensors", Transformer(), [&](const std::string& name) { return prefix + name; }));
  }
}

TEST_F(LayoutsTest, DiffusersAsFileIndexFolderAndPipeline) {
  const auto rename = [](const std::string& name) { return TransformerLayouts()[1].spell(name); };
  ExpectTheSameTransformer(WriteSafe("d.safetensors", Transformer(), rename));
  OwnedTensors halves[2];
  std::string index;
  size_t count = 0;
  for (const auto& [name, tensor] : Transformer()) {
    const size_t half = count++ % 2;
    halves[half][name] = tensor;
    index += (index.empty() ? "" : ",") + ("\"" + rename(name) + "\": \"m-0000" + std::to_string(half + 1)) +
             "-of-00002.safetensors\"";
  }
  const std::string first = WriteSafe("wan/transformer/m-00001-of-00002.safetensors", halves[0], rename);
  const std::string second = WriteSafe("wan/transformer/m-00002-of-00002.safetensors", halves[1], rename);
  const std::string index_path = folder_.Path("wan/transformer/m.safetensors.index.json");
  WriteFile(index_path, "{\"weight_map\": {" + index + "}}");
  ExpectTheSameTransformer(index_path);
  ExpectTheSameTransformer(folder_.Path("wan/transformer"));
  ExpectTheSameTransformer(folder_.Path("wan"));
  request_.transformer_files = {first, second};
  ExpectTheSame("transformer.safetensors");
}

TEST_F(LayoutsTest, TheTextEncoderUnderHuggingFacesNames) {
  OwnedTensors tensors = Read(TestDataPath("models_t5_umt5-xxl-enc-bf16.pth"));
  const auto rename = [](const std::string& name) { return TextEncoderLayouts()[1].spell(name); };
  request_.text_encoder_files = {WriteSafe("model.safetensors", tensors, rename)};
  ExpectTheSame("text_encoder.safetensors");
}

TEST_F(LayoutsTest, TheTokenizerInsideTheTextEncodersFile) {
  OwnedTensors tensors = Read(TestDataPath("models_t5_umt5-xxl-enc-bf16.pth"));
  const std::string model = ReadFile(request_.tokenizer_file);
  tensors["spiece_model"] = {DType::kU8, {static_cast<int64_t>(model.size())}, model};
  request_.text_encoder_files = {WriteSafe("umt5.safetensors", tensors, Unchanged)};
  request_.tokenizer_file.clear();
  ExpectTheSame("text_encoder.safetensors");
  EXPECT_EQ(ReadFile(request_.output_folder + "/spiece.model"), model);
  tensors.erase("spiece_model");
  request_.text_encoder_files = {WriteSafe("umt5.safetensors", tensors, Unchanged)};
  EXPECT_THAT(MessageOf(Convert()), HasSubstr("--tokenizer is needed"));
}

TEST_F(LayoutsTest, TheWanVaeUnderDiffusersNames) {
  request_.config = SmallConfig(DecoderKind::kWanVae);
  request_.decoder_files = {TestDataPath("Wan2.1_VAE.pth")};
  ASSERT_TRUE(Convert().ok());
  plain_ = folder_.Path("plain_vae");
  std::filesystem::rename(request_.output_folder, plain_);
  const auto rename = [](const std::string& name) { return WanVaeLayouts()[1].spell(name); };
  request_.decoder_files = {WriteSafe("vae.safetensors", Read(TestDataPath("Wan2.1_VAE.pth")), rename)};
  ExpectTheSame("decoder.safetensors");
}

TEST_F(LayoutsTest, PicklesOfShardedTrainers) {
  ExpectTheSameTransformer(WriteTorch("fsdp.pt", Transformer(), [](PickleBuilder& pickle, const TestTensor& tensor) {
    pickle.TensorFromType(tensor, /*parameter=*/false);
  }));
  ExpectTheSameTransformer(WriteTorch("fsdp.pt", Transformer(), [](PickleBuilder& pickle, const TestTensor& tensor) {
    pickle.TensorFromType(tensor, /*parameter=*/true);
  }));
  ExpectTheSameTransformer(WriteTorch("state.pt", Transformer(), [](PickleBuilder& pickle, const TestTensor& tensor) {
    pickle.ParameterWithState(tensor);
  }));
}

TEST_F(LayoutsTest, ZipsThatWerePackedAgain) {
  ExpectTheSameTransformer(
      WriteTorch("deflated.pt", Transformer(), WritePlain, [](ZipTestEntry& entry) { entry.deflate = true; }));
  EXPECT_TRUE(notes_.empty());
  for (const auto& file : std::filesystem::directory_iterator(folder_.Path(""))) {
    EXPECT_FALSE(file.path().filename().string().starts_with(".videodiffcr")) << file.path();
  }
  ExpectTheSameTransformer(
      WriteTorch("appended.pt", Transformer(), WritePlain, [](ZipTestEntry&) {}, {.appended = "x"}));
  ExpectTheSameTransformer(
      WriteTorch("unchecked.pt", Transformer(), WritePlain, [](ZipTestEntry& entry) { entry.crc32 = 0; }));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("unchecked.pt: has no checksums")));
}

TEST_F(LayoutsTest, DoublesAndTransposedTensors) {
  OwnedTensors doubles = Transformer();
  for (auto& [name, tensor] : doubles) {
    std::string wide;
    for (size_t i = 0; i < tensor.bytes.size(); i += 4) {
      float value;
      std::memcpy(&value, tensor.bytes.data() + i, 4);
      const double exact = value;
      wide.append(reinterpret_cast<const char*>(&exact), 8);
    }
    tensor.bytes = wide;
    tensor.dtype = DType::kF64;
  }
  ExpectTheSameTransformer(WriteSafe("doubles.safetensors", doubles, Unchanged));
  // Every matrix column by column.
  OwnedTensors turned = Transformer();
  for (auto& [name, tensor] : turned) {
    if (tensor.shape.size() != 2) continue;
    const std::string rows = tensor.bytes;
    for (int64_t r = 0; r < tensor.shape[0]; ++r) {
      for (int64_t c = 0; c < tensor.shape[1]; ++c) {
        std::memcpy(tensor.bytes.data() + 4 * (c * tensor.shape[0] + r), rows.data() + 4 * (r * tensor.shape[1] + c),
                    4);
      }
    }
  }
  ExpectTheSameTransformer(WriteTorch("turned.pt", turned, [](PickleBuilder& pickle, TestTensor tensor) {
    if (tensor.shape.size() == 2) tensor.strides = {1, tensor.shape[0]};
    pickle.Tensor(tensor);
  }));
}

// As 8-bit numbers with a scale, against the same numbers written out in fp32.
TEST_F(LayoutsTest, EightBitWeightsWithTheirScales) {
  for (const std::string ending : {".scale_weight", ".weight_scale"}) {
    OwnedTensors scaled = Transformer(), written_out = scaled;
    for (const auto& [name, tensor] : Transformer()) {
      if (!name.ends_with("self_attn.q.weight")) continue;
      const float scale = 0.0123f;
      std::string codes, values;
      for (size_t i = 0; i < tensor.bytes.size(); i += 4) {
        float value;
        std::memcpy(&value, tensor.bytes.data() + i, 4);
        const uint8_t code = FloatToE4M3(value / scale);
        value = E4M3ToFloat(code) * scale;
        codes.append(1, static_cast<char>(code));
        values.append(reinterpret_cast<const char*>(&value), 4);
      }
      scaled[name] = {DType::kF8E4M3, tensor.shape, codes};
      written_out[name].bytes = values;
      const std::string base = name.substr(0, name.size() - 7);
      scaled[base + ending] = {DType::kF32, {}, std::string(reinterpret_cast<const char*>(&scale), 4)};
      scaled[base + ".scale_input"] = {DType::kF32, {}, std::string(4, '\0')};
    }
    scaled["scaled_fp8"] = {DType::kF8E4M3, {0}, ""};
    request_.transformer_files = {WriteSafe("out.safetensors", written_out, Unchanged)};
    std::filesystem::remove_all(request_.output_folder);
    ASSERT_TRUE(Convert().ok());
    std::filesystem::remove_all(plain_);
    std::filesystem::rename(request_.output_folder, plain_);
    ExpectTheSameTransformer(WriteSafe("scaled.safetensors", scaled, Unchanged));
  }
}

TEST_F(LayoutsTest, AMapThatIsEmptyBesideOneThatIsNot) {
  empty_ema_ = true;
  const std::string path = WriteTorch("both.pt", Transformer(), WritePlain);
  ExpectTheSameTransformer(path);
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("both.pt: 'generator_ema' is an empty map; the tensors are those of "
                                            "'generator'")));
  request_.transformer_entries = {"generator_ema"};
  request_.transformer_entry_required = true;
  EXPECT_THAT(
      MessageOf(Convert()),
      HasSubstr("no dict under 'generator_ema'; its top level has: generator_ema, generator; 'generator_ema' is "
                "an empty map; 'generator' holds 69 tensors"));
}

TEST_F(LayoutsTest, NamesInErrorsAreThoseOfTheFile) {
  OwnedTensors tensors = Transformer();
  tensors["blocks.0.norm3.weight"].shape = {12, 1};
  tensors.erase("blocks.1.ffn.0.bias");
  tensors["blocks.0.extra"] = tensors["head.modulation"];
  const auto rename = [](const std::string& name) { return "model." + TransformerLayouts()[1].spell(name); };
  request_.transformer_files = {WriteSafe("wrong.safetensors", tensors, rename)};
  const std::string message = MessageOf(Convert());
  EXPECT_THAT(message, HasSubstr("1 missing (blocks.1.ffn.net.0.proj.bias)"));
  EXPECT_THAT(message, HasSubstr("1 of another shape (model.blocks.0.norm2.weight is [12,1], expected [12])"));
  EXPECT_THAT(message, HasSubstr("1 that this network does not have (model.blocks.0.extra)"));
}

TEST_F(LayoutsTest, SaysWhoQuantizedAFileAndThatALoraWasNotMerged) {
  for (const auto& [name, what] :
       {std::pair("blocks.0.ffn.0.weight.quant_state.bitsandbytes__nf4", "it is quantized by bitsandbytes (4 bits)"),
        std::pair("blocks.0.ffn.0.SCB", "bitsandbytes (8 bits)"), std::pair("blocks.0.ffn.0.qweight", "GPTQ"),
        std::pair("blocks.0.ffn.0.weight._data", "quanto"), std::pair("blocks.0.ffn.0.weight_scale_2", "NVFP4"),
        std::pair("blocks.0.ffn.0.lora_A.default.weight", "it carries a LoRA that was not merged")}) {
    OwnedTensors tensors = Transformer();
    tensors[name] = tensors["head.modulation"];
    request_.transformer_files = {WriteSafe(std::string("odd") + what + ".safetensors", tensors, Unchanged)};
    EXPECT_THAT(MessageOf(Convert()), HasSubstr(what));
  }
  OwnedTensors tensors = Transformer();
  OwnedTensor& weight = tensors["blocks.0.ffn.0.weight"];
  weight.dtype = DType::kI8;
  weight.bytes.resize(weight.bytes.size() / 4);
  request_.transformer_files = {WriteSafe("int8.safetensors", tensors, Unchanged)};
  EXPECT_THAT(MessageOf(Convert()), HasSubstr("it is quantized to integers"));
}

TEST_F(LayoutsTest, SaysWhatAFileUnderTheWrongFlagIs) {
  std::swap(request_.transformer_files, request_.text_encoder_files);
  EXPECT_THAT(MessageOf(Convert()), HasSubstr("it is a UMT5 text encoder (--text-encoder)"));
  std::swap(request_.transformer_files, request_.text_encoder_files);
  request_.decoder_files = request_.text_encoder_files;
  EXPECT_THAT(MessageOf(Convert()), HasSubstr("it is a UMT5 text encoder"));
}

}  // namespace
}  // namespace videodiffcr
