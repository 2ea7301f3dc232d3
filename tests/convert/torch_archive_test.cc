// Files that PyTorch's own torch.save wrote (testdata/make_testdata.py), and files that lie.
#include <cstring>
#include <string>

#include "convert/number_conversion.h"
#include "convert/tensor_values.h"
#include "convert/weight_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"
#include "tests/convert/zip_builder.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

WeightFile Open(const std::string& name, const WeightFile::Selection& selection = {}) {
  absl::StatusOr<WeightFile> file = WeightFile::Open(TestDataPath(name), selection);
  if (!file.ok()) ADD_FAILURE() << file.status();
  return *std::move(file);
}

std::string DictOf(const std::string& name, const TestTensor& tensor) {
  return PickleBuilder().Op('}').String(name).Tensor(tensor).Op('s').Stop();
}

struct ArchiveParts {
  std::string pickle;
  std::string storage;
  std::string byte_order = "little";
  std::string version = "3\n";
};

std::string Archive(const ArchiveParts& parts) {
  return BuildZip({{.name = "m/data.pkl", .data = parts.pickle, .data_descriptor = true},
                   {.name = "m/byteorder", .data = parts.byte_order, .data_descriptor = true},
                   {.name = "m/data/0", .data = parts.storage, .data_descriptor = true},
                   {.name = "m/version", .data = parts.version, .data_descriptor = true}});
}

std::string Refusal(const std::string& zip) {
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  if (!archive.ok()) return MessageOf(archive);
  return MessageOf(ReadTorchArchive(*archive, {}, /*entry_required=*/false));
}

std::vector<float> ValuesOf(const SourceTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  EXPECT_TRUE(TensorValues(tensor).Read(0, tensor.elements(), values.data()).ok());
  return values;
}

// Of a tensor 'w' in a storage of six fp32 numbers.
std::string TensorRefusal(const TestTensor& tensor) {
  return Refusal(Archive({.pickle = DictOf("w", tensor), .storage = std::string(24, '\0')}));
}

TEST(TorchArchive, ReadsAStateDictOfBFloat16WithItsMetadata) {
  WeightFile file = Open("models_t5_umt5-xxl-enc-bf16.pth");
  EXPECT_EQ(file.tensors().size(), 22);
  const SourceTensor& tensor = file.tensors().at("blocks.1.attn.o.weight");
  EXPECT_EQ(tensor.dtype, DType::kBF16);
  EXPECT_THAT(tensor.shape, ElementsAre(10, 8));
  EXPECT_TRUE(file.CheckData(tensor).ok());
  for (int i = 0; i < 80; ++i) {
    uint16_t value;
    std::memcpy(&value, tensor.bytes.data() + 2 * i, 2);
    ASSERT_EQ(value, FloatToBFloat16(FillValue("blocks.1.attn.o.weight", i)));
  }
}

TEST(TorchArchive, ReadsTheDictThatIsAskedFor) {
  const WeightFile ema = Open("self_forcing_dmd.pt", {{"generator_ema", "generator"}, true});
  EXPECT_EQ(ema.tensors().size(), 69);
  EXPECT_TRUE(ema.tensors().contains("model.blocks.1._fsdp_wrapped_module.modulation"));
  const WeightFile parameters = Open("ode_init.pt", {{"generator_ema", "generator"}, true});
  EXPECT_EQ(parameters.tensors().size(), 69);
  EXPECT_TRUE(parameters.tensors().contains("model.blocks.1.modulation"));
}

TEST(TorchArchive, SaysWhatIsThereWhenTheDictIsNot) {
  const absl::Status status = WeightFile::Open(TestDataPath("ode_init.pt"), {{"generator_ema"}, true}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), HasSubstr("no dict under 'generator_ema'; its top level has: generator, step"));
}

TEST(TorchArchive, TakesTheTopLevelWhenNoDictIsRequired) {
  EXPECT_EQ(Open("taew2_1.pth", {{"generator"}, false}).tensors().size(), 128);
}

TEST(TorchArchive, ReadsTensorsThatAreNotRowMajorAsTheirStridesSay) {
  const WeightFile file = Open("views_and_types.pth");
  const SourceTensor& tensor = file.tensors().at("transposed");
  EXPECT_THAT(tensor.shape, ElementsAre(4, 3));
  EXPECT_THAT(tensor.strides, ElementsAre(1, 4));
  EXPECT_EQ(tensor.bytes.size(), 12 * 4);
  EXPECT_EQ(file.tensors().at("rows").strides.size(), 0);
}

TEST(TorchArchive, ReadsEightBitTensorsBesideWhateverElsePyTorchSavesOfItsOwn) {
  const WeightFile file = Open("fp8_and_others.pt", {{"generator"}, true});
  EXPECT_EQ(file.tensors().size(), 4);
  const SourceTensor& tensor = file.tensors().at("e4m3");
  EXPECT_EQ(tensor.dtype, DType::kF8E4M3);
  EXPECT_THAT(tensor.shape, ElementsAre(3, 4));
  EXPECT_THAT(ValuesOf(tensor), ElementsAre(0, .125, .25, .375, .5, .625, .75, .875, 1, 1.125, 1.25, 1.375));
  EXPECT_THAT(ValuesOf(file.tensors().at("parameter")), ElementsAreArray(ValuesOf(tensor)));
  EXPECT_THAT(ValuesOf(file.tensors().at("columns")),
              ElementsAre(0, .5, 1, .125, .625, 1.125, .25, .75, 1.25, .375, .875, 1.375));
  const SourceTensor& view = file.tensors().at("last_rows_e5m2");
  EXPECT_EQ(view.dtype, DType::kF8E5M2);
  EXPECT_THAT(ValuesOf(view), ElementsAre(.5, .625, .75, .875, 1, 1, 1.25, 1.5));  // two bits: 1.125 ties to even
}

TEST(TorchArchive, PassesOverWhatATrainerKeepsAmongTheWeights) {
  const WeightFile file = Open("fp8_and_others.pt", {{"generator"}, true});
  EXPECT_THAT(file.notes(), ElementsAre(HasSubstr("passed over, being no tensor: iteration, head._extra_state")));
}

TEST(TorchArchive, ReadsWhatPyTorchWritesInProtocol3) {
  for (const char* name : {"protocol3.pth", "legacy_protocol3.pth"}) {
    EXPECT_THAT(ValuesOf(Open(name, {}).tensors().at("weight")), ElementsAre(1, 1)) << name;
  }
}

TEST(TorchArchive, NamesTheTensorThatIsNoPlainOne) {
  EXPECT_THAT(MessageOf(WeightFile::Open(TestDataPath("fp8_and_others.pt"), {{"others"}, true})),
              HasSubstr("tensor 'meta': is on the device 'meta': it was saved without its numbers"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 24, .shape = {6}, .strides = {1}, .dtype = "float8_e4m3fnuz"}),
              HasSubstr("a.pth: tensor 'w': is of type float8_e4m3fnuz; save it again after .to(torch.bfloat16)"));
}

TEST(TorchArchive, KeepsStridedTensorsInsideTheirStorage) {
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {1, 3}}),
              HasSubstr("8 elements from 0 leave its storage of 6"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {INT64_MAX, INT64_MAX}}),
              HasSubstr("leave its storage"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {1, 1}}), HasSubstr("share memory"));
}

TEST(TorchArchive, ReadsViewsIntoOneStorage) {
  const std::string pickle = PickleBuilder()
                                 .Op('}')
                                 .Op('(')
                                 .String("first")
                                 .Tensor({.storage_elements = 6, .offset = 0, .shape = {2}, .strides = {1}})
                                 .String("rest")
                                 .Tensor({.storage_elements = 6, .offset = 2, .shape = {1, 4}, .strides = {99, 1}})
                                 .Op('u')
                                 .Stop();
  const std::string zip = Archive({.pickle = pickle, .storage = std::string(24, '\0')});
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  const absl::StatusOr<SourceTensors> tensors = ReadTorchArchive(*archive, {}, false);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  const uint8_t* storage = archive->entries.at("m/data/0").data.data();
  EXPECT_EQ(tensors->at("first").bytes.data(), storage);
  EXPECT_EQ(tensors->at("rest").bytes.data(), storage + 8);
  EXPECT_EQ(tensors->at("rest").bytes.size(), 16);
}

TEST(TorchArchive, RefusesTensorsThatLeaveTheirStorage) {
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .offset = 1, .shape = {6}, .strides = {1}}),
              HasSubstr("a.pth: tensor 'w': 6 elements from 1 leave its storage of 6"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .offset = -1, .shape = {2}, .strides = {1}}), HasSubstr("leave"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .offset = INT64_MAX, .shape = {2}, .strides = {1}}),
              HasSubstr("leave"));
}

TEST(TorchArchive, RefusesStoragesThatLieAboutTheirSize) {
  EXPECT_THAT(TensorRefusal({.storage_elements = 7, .shape = {6}, .strides = {1}}),
              HasSubstr("claims 7 elements of F32, zip entry 'm/data/0' has 24 bytes"));
  EXPECT_THAT(TensorRefusal({.storage_elements = -1, .shape = {0}, .strides = {1}}), HasSubstr("claims -1 elements"));
  EXPECT_THAT(TensorRefusal({.storage_elements = INT64_MAX, .shape = {6}, .strides = {1}}), HasSubstr("claims"));
  EXPECT_THAT(TensorRefusal({.storage_type = "BFloat16Storage", .storage_elements = 6, .shape = {6}, .strides = {1}}),
              HasSubstr("claims 6 elements of BF16"));
}

TEST(TorchArchive, RefusesShapesThatMakeNoSense) {
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {-2, -3}, .strides = {3, 1}}), HasSubstr("negative size"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {1LL << 40, 1LL << 40}, .strides = {1LL << 40, 1}}),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {1}}),
              HasSubstr("2 sizes and 1 strides"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {0, 0}}), HasSubstr("not row-major"));
  EXPECT_THAT(TensorRefusal({.storage_elements = 6, .shape = {2, 3}, .strides = {-3, -1}}), HasSubstr("not row-major"));
}

TEST(TorchArchive, RefusesAStorageThatIsNotInTheArchive) {
  EXPECT_THAT(TensorRefusal({.key = "1", .storage_elements = 6, .shape = {6}, .strides = {1}}),
              HasSubstr("tensor 'w': no zip entry 'm/data/1'"));
  EXPECT_THAT(TensorRefusal({.key = "../data.pkl", .storage_elements = 6, .shape = {6}, .strides = {1}}),
              HasSubstr("no zip entry 'm/data/../data.pkl'"));
}

TEST(TorchArchive, RefusesValuesThatAreNoTensorsAndDoubledNames) {
  for (const char* name : {"blocks.0.alpha", "lora_alpha", "scale"}) {
    EXPECT_THAT(Refusal(Archive({.pickle = PickleBuilder().Op('}').String(name).Integer(1).Op('s').Stop()})),
                HasSubstr(std::string("tensor '") + name + "': the value under this name is not a tensor"));
  }
  EXPECT_THAT(Refusal(Archive({.pickle = PickleBuilder().Op('}').String("step").Integer(1).Op('s').Stop()})),
              HasSubstr("a.pth: no tensor among what it holds: step"));
  const TestTensor empty{.shape = {0}, .strides = {1}};
  EXPECT_THAT(Refusal(Archive({.pickle = PickleBuilder().Op('}').Integer(1).Tensor(empty).Op('s').Stop()})),
              HasSubstr("name is not a string"));
  EXPECT_THAT(
      Refusal(Archive(
          {.pickle =
               PickleBuilder().Op('}').Op('(').String("w").Tensor(empty).String("w").Tensor(empty).Op('u').Stop()})),
      HasSubstr("tensor 'w': is there twice"));
  EXPECT_THAT(Refusal(Archive({.pickle = PickleBuilder().Op(']').Stop()})), HasSubstr("top level is not a dict"));
}

TEST(TorchArchive, RefusesNamesThatAreNoNames) {
  const TestTensor empty{.shape = {0}, .strides = {1}};
  const auto named = [&empty](size_t bytes) { return Archive({.pickle = DictOf(std::string(bytes, 'n'), empty)}); };
  EXPECT_EQ(Refusal(named(1024)), "");
  EXPECT_THAT(Refusal(named(1025)),
              HasSubstr("tensor '" + std::string(100, 'n') + "... (1025 bytes)': a name of more than 1024 bytes"));
}

TEST(TorchArchive, RefusesMoreTensorsThanAnyModelHas) {
  PickleBuilder pickle;
  pickle.Op('}').Op('(').String("first").Tensor({.shape = {0}, .strides = {1}}).Raw("q\x05");
  for (int i = 1; i < 65536; ++i) pickle.String(std::to_string(i)).Raw("h\x05");
  EXPECT_EQ(Refusal(Archive({.pickle = PickleBuilder(pickle).Op('u').Stop()})), "");
  pickle.String("last").Raw("h\x05").Op('u');
  EXPECT_EQ(Refusal(Archive({.pickle = pickle.Stop()})), "a.pth: more than 65536 tensors");
}

TEST(TorchArchive, NamesFileAndOffsetOfAForbiddenGlobal) {
  EXPECT_EQ(
      Refusal(Archive({.pickle = PickleBuilder().Global("posix", "system").String("true").Op('\x85').Op('R').Stop()})),
      "a.pth: m/data.pkl: pickle byte 2: global 'posix.system' is refused: it is no part of plain tensor data; a "
      "pickle that names it can run programs: do not load this file in Python either");
}

TEST(TorchArchive, RefusesOtherVersionsAndByteOrders) {
  const std::string pickle = PickleBuilder().Op('}').Stop();
  EXPECT_THAT(Refusal(Archive({.pickle = pickle, .byte_order = "big"})), HasSubstr("byte order 'big'"));
  EXPECT_THAT(Refusal(Archive({.pickle = pickle, .version = "11"})), HasSubstr("m/version"));
  EXPECT_THAT(Refusal(Archive({.pickle = pickle, .version = "x"})), HasSubstr("m/version"));
}

TEST(TorchArchive, RefusesArchivesWithoutOnePickle) {
  EXPECT_THAT(Refusal(BuildZip({{.name = "m/x", .data = "x"}})), HasSubstr("0 entries FOLDER/data.pkl"));
  EXPECT_THAT(Refusal(BuildZip({{.name = "a/lora.safetensors", .data = "x"}})),
              HasSubstr("it holds a/lora.safetensors. If the weights are among these, unpack it"));
  EXPECT_THAT(Refusal(BuildZip({{.name = "m/data.pkl", .data = "x"}, {.name = "n/data.pkl", .data = "x"}})),
              HasSubstr("2 entries FOLDER/data.pkl"));
}

TEST(TorchArchive, ChecksThePicklesChecksum) {
  EXPECT_THAT(Refusal(BuildZip({{.name = "m/data.pkl", .data = PickleBuilder().Op('}').Stop(), .crc32 = 7},
                                {.name = "m/version", .data = "3\n"}})),
              HasSubstr("'m/data.pkl': checksum"));
}

}  // namespace
}  // namespace videodiffcr
