#include "convert/pickle_reader.h"

#include <cstdint>
#include <string>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Refusal(const std::string& pickle) { return MessageOf(ReadPickle(AsBytes(pickle))); }

// The document of a pickle whose values are read; fails the test when it does not read.
PickleDocument Read(const std::string& pickle) {
  absl::StatusOr<PickleDocument> document = ReadPickle(AsBytes(pickle));
  EXPECT_TRUE(document.ok()) << document.status();
  return document.ok() ? *std::move(document) : PickleDocument{{PickleNone{}}, 0};
}

template <typename T>
T RootOf(const std::string& pickle) {
  const PickleDocument document = Read(pickle);
  const T* root = std::get_if<T>(&document.values[document.root]);
  EXPECT_NE(root, nullptr);
  return root == nullptr ? T{} : *root;
}

TEST(PickleReader, ReadsNumbersOfEveryWidth) {
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Raw("K\xff").Stop()), 255);
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Raw("M\xfe\xff").Stop()), 65534);
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Raw("J\xff\xff\xff\xff").Stop()), -1);
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Raw(std::string("\x8a\x00", 2)).Stop()), 0);
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Raw(std::string("\x8a\x02\x00\x80", 4)).Stop()), -32768);
  EXPECT_EQ(RootOf<int64_t>(PickleBuilder().Integer(INT64_MIN).Stop()), INT64_MIN);
  EXPECT_EQ(RootOf<double>(PickleBuilder().Raw(std::string("G\x3f\xf8\0\0\0\0\0\0", 9)).Stop()), 1.5);
}

TEST(PickleReader, ReadsATensorInADict) {
  const std::string pickle = PickleBuilder()
                                 .Op('}')
                                 .String("w")
                                 .Tensor({.storage_type = "BFloat16Storage",
                                          .key = "7",
                                          .storage_elements = 6,
                                          .shape = {2, 3},
                                          .strides = {3, 1}})
                                 .Op('s')
                                 .Stop();
  const PickleDocument document = Read(pickle);
  const auto& dict = std::get<PickleDict>(document.values[document.root]);
  ASSERT_EQ(dict.items.size(), 1);
  EXPECT_EQ(std::get<absl::string_view>(document.values[dict.items[0].first]), "w");
  const auto& tensor = std::get<PickledTensor>(document.values[dict.items[0].second]);
  EXPECT_EQ(tensor.storage.type.dtype, DType::kBF16);
  EXPECT_EQ(tensor.storage.key, "7");
  EXPECT_EQ(tensor.storage.elements, 6);
  EXPECT_THAT(tensor.shape, ElementsAre(2, 3));
  EXPECT_THAT(tensor.strides, ElementsAre(3, 1));
}

TEST(PickleReader, RemembersAndRecallsValues) {
  const PickleDocument document = Read(PickleBuilder().String("a").Raw("q\x05").Raw("h\x05").Op('\x86').Stop());
  const auto& tuple = std::get<PickleTuple>(document.values[document.root]);
  EXPECT_THAT(tuple.items, ElementsAre(0, 0));
}

TEST(PickleReader, ReadsTensorsOfAShardedTrainerAndIgnoresTheirState) {
  const TestTensor tensor{.key = "3", .storage_elements = 6, .offset = 1, .shape = {2, 2}, .strides = {2, 1}};
  for (const std::string& pickle : {PickleBuilder().TensorFromType(tensor, /*parameter=*/false).Stop(),
                                    PickleBuilder().TensorFromType(tensor, /*parameter=*/true).Stop(),
                                    PickleBuilder().ParameterWithState(tensor).Stop()}) {
    const auto read = RootOf<PickledTensor>(pickle);
    EXPECT_EQ(read.storage.key, "3");
    EXPECT_EQ(read.storage_offset, 1);
    EXPECT_THAT(read.shape, ElementsAre(2, 2));
    EXPECT_THAT(read.strides, ElementsAre(2, 1));
  }
}

TEST(PickleReader, ReadsTensorsWhoseTypeHasNoStorageClass) {
  const TestTensor fp8{
      .key = "3", .storage_elements = 6, .offset = 2, .shape = {2, 2}, .strides = {2, 1}, .dtype = "float8_e4m3fn"};
  const auto tensor = RootOf<PickledTensor>(PickleBuilder().Tensor(fp8).Stop());
  EXPECT_EQ(tensor.storage.type.dtype, DType::kF8E4M3);
  EXPECT_EQ(tensor.storage.elements, 6);
  EXPECT_EQ(tensor.storage_offset, 2);
  EXPECT_THAT(tensor.shape, ElementsAre(2, 2));
  EXPECT_EQ(tensor.foreign, "");
  const TestTensor wide{.storage_elements = 12, .shape = {3}, .strides = {1}, .dtype = "float32"};
  EXPECT_EQ(RootOf<PickledTensor>(PickleBuilder().Tensor(wide).Stop()).storage.elements, 3);
  EXPECT_THAT(
      Refusal(
          PickleBuilder().Tensor({.storage_elements = 13, .shape = {3}, .strides = {1}, .dtype = "float32"}).Stop()),
      HasSubstr("elements of 4 bytes in a storage that is not of so many bytes"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch._utils", "_rebuild_tensor_v3").Integers({1, 2}).Op('R').Stop()),
              HasSubstr("takes the type"));
}

TEST(PickleReader, KeepsWhatIsNoPlainTensorUntilItIsAskedFor) {
  const auto foreign = [](const PickleBuilder& builder) {
    return std::string(RootOf<PickledTensor>(PickleBuilder(builder).Stop()).foreign);
  };
  const TestTensor plain{.storage_elements = 8, .shape = {2}, .strides = {1}};
  TestTensor odd = plain;
  odd.dtype = "uint16";
  EXPECT_EQ(foreign(PickleBuilder().Tensor(odd)), "is of type uint16");
  odd = plain;
  odd.storage_type = "ComplexFloatStorage";
  EXPECT_EQ(foreign(PickleBuilder().Tensor(odd)), "is complex");
  const auto rebuilt = [](const std::string& function) {
    return PickleBuilder().Global("torch._utils", function).Op(')').Op('R');
  };
  EXPECT_THAT(foreign(rebuilt("_rebuild_qtensor")), HasSubstr("dequantize()"));
  EXPECT_THAT(foreign(rebuilt("_rebuild_sparse_tensor")), HasSubstr("to_dense()"));
  EXPECT_THAT(foreign(rebuilt("_rebuild_meta_tensor_no_storage")), HasSubstr("without its numbers"));
}

// (function, (storage, 0, (2,), (1,), False, OrderedDict(), {"neg": flag})).
PickleBuilder WithMetadata(bool negated) {
  PickleBuilder builder;
  builder.Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 2).Integer(0);
  builder.Integers({2}).Integers({1}).Op('\x89').OrderedDict();
  return builder.Op('}').String("neg").Op(negated ? '\x88' : '\x89').Op('s').Op('t').Op('R');
}

TEST(PickleReader, TakesNoTensorForPlainThatIsNegatedWhenItIsLoaded) {
  EXPECT_EQ(RootOf<PickledTensor>(WithMetadata(false).Stop()).foreign, "");
  EXPECT_THAT(RootOf<PickledTensor>(WithMetadata(true).Stop()).foreign, HasSubstr("resolve_neg()"));
}

TEST(PickleReader, ReadsTensorsOfXlaDevicesUnlessTheirTypeIsToChange) {
  const auto rebuilt = [](const std::string& dtype) {
    return PickleBuilder()
        .Global("torch._utils", "_rebuild_device_tensor_from_cpu_tensor")
        .Op('(')
        .Tensor({.storage_elements = 2, .shape = {2}, .strides = {1}})
        .Global("torch", dtype)
        .String("xla:0")
        .Op('\x89')
        .Op('t')
        .Op('R')
        .Stop();
  };
  EXPECT_EQ(RootOf<PickledTensor>(rebuilt("float32")).foreign, "");
  EXPECT_THAT(RootOf<PickledTensor>(rebuilt("bfloat16")).foreign, HasSubstr("change its type"));
}

// What torch.load(weights_only=True) takes beside tensors.
TEST(PickleReader, PassesOverHarmlessValuesBesideTheWeights) {
  const auto called = [](const std::string& module, const std::string& name) {
    return PickleBuilder().Global(module, name).Op('(').String("a").Op('t').Op('R').Stop();
  };
  for (const auto& [module, name] :
       {std::pair("torch", "device"), std::pair("torch.serialization", "_get_layout"), std::pair("_codecs", "encode"),
        std::pair("__builtin__", "set"), std::pair("__builtin__", "bytearray"), std::pair("builtins", "complex"),
        std::pair("collections", "Counter")}) {
    (void)RootOf<PickleUnusedValue>(called(module, name));
  }
  (void)RootOf<PickleElementType>(PickleBuilder().Global("torch", "bfloat16").Stop());
  const auto size =
      RootOf<PickleTuple>(PickleBuilder().Global("torch", "Size").Integers({2, 3}).Op('\x85').Op('R').Stop());
  EXPECT_EQ(size.items.size(), 2);
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "Size").Integers({2, 3}).Op('R').Stop()),
              HasSubstr("takes a tuple"));
  // A seed of 64 bits needs nine bytes with its sign.
  (void)RootOf<PickleUnusedValue>(PickleBuilder().Raw("\x8a\x09").Raw(std::string(9, 'x')).Stop());
}

TEST(PickleReader, PassesOverNamesOfTypesAndOfBuiltInValues) {
  const auto named = [](const std::string& module, const std::string& name) {
    return PickleBuilder().Global(module, name).Stop();
  };
  for (const auto& [module, name] :
       {std::pair("torch", "FloatTensor"), std::pair("torch.cuda", "BFloat16Tensor"),
        std::pair("torch.cuda.sparse", "IntTensor"), std::pair("torch.storage", "TypedStorage"),
        std::pair("torch", "per_tensor_symmetric")}) {
    (void)RootOf<PickleUnusedValue>(named(module, name));
  }
  EXPECT_EQ(RootOf<PickleStorageType>(named("torch.cuda", "HalfStorage")).type.dtype, DType::kF16);
  for (const char* type : {"int1", "uint7", "bits8", "quint4x2"})
    EXPECT_NE(RootOf<PickleElementType>(named("torch", type)).foreign, "") << type;
  for (const char* name : {"frozenset", "bytes", "xrange", "slice"})
    (void)RootOf<PickleUnusedValue>(PickleBuilder().Global("__builtin__", name).Op(')').Op('R').Stop());
  for (const auto& [module, name] :
       {std::pair("torch", "int8x"), std::pair("torch", "int"), std::pair("torch.cuda", "device"),
        std::pair("torch", "FakeTensor"), std::pair("__builtin__", "eval"), std::pair("builtins", "getattr")}) {
    EXPECT_THAT(Refusal(named(module, name)), HasSubstr("is refused")) << name;
  }
}

TEST(PickleReader, ReadsWhatPython2Wrote) {
  const auto ordered = [](int pairs) {
    PickleBuilder builder;
    builder.Global("collections", "OrderedDict").Op(']').Op('(');
    for (int i = 0; i < pairs; ++i) builder.Op(']').Op('(').Raw("U\x01w").Integer(i).Op('e');
    return builder.Op('e').Op('\x85').Op('R');
  };
  const std::string text = ordered(2).Stop();  // which the document's strings point into
  const PickleDocument document = Read(text);
  const auto& dict = std::get<PickleDict>(document.values[document.root]);
  ASSERT_EQ(dict.items.size(), 2);
  EXPECT_EQ(std::get<absl::string_view>(document.values[dict.items[1].first]), "w");
  EXPECT_EQ(std::get<int64_t>(document.values[dict.items[1].second]), 1);
  EXPECT_EQ(RootOf<PickleDict>(ordered(0).Stop()).items.size(), 0);
}

TEST(PickleReader, ReadsTensorsOfPyTorchBefore04) {
  PickleBuilder old;
  old.Global("torch._utils", "_rebuild_tensor").Op('(').Storage("FloatStorage", "0", 6).Integer(2);
  const auto tensor = RootOf<PickledTensor>(old.Integers({2, 2}).Integers({2, 1}).Op('t').Op('R').Stop());
  EXPECT_THAT(tensor.shape, ElementsAre(2, 2));
  EXPECT_EQ(tensor.storage_offset, 2);
}

TEST(PickleReader, KeepsATensorWithAttributesThatIsNoPlainOne) {
  const std::string sparse = PickleBuilder()
                                 .Global("torch._tensor", "_rebuild_from_type_v2")
                                 .Op('(')
                                 .Global("torch._utils", "_rebuild_sparse_tensor")
                                 .Global("torch", "Tensor")
                                 .Op(')')
                                 .Op('}')
                                 .Op('t')
                                 .Op('R')
                                 .Stop();
  EXPECT_THAT(RootOf<PickledTensor>(sparse).foreign, HasSubstr("is sparse"));
}

}  // namespace
}  // namespace videodiffcr
