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

TEST(PickleReader, RefusesAGlobalThatIsNoTensorDataWithNameAndOffset) {
  EXPECT_EQ(Refusal(PickleBuilder().Global("os", "system").Stop()),
            "pickle byte 2: global 'os.system' is refused: it is no part of plain tensor data; a pickle that names it "
            "can run programs: do not load this file in Python either");
  EXPECT_THAT(Refusal(PickleBuilder().Op('N').Global("builtins", "eval").Stop()),
              HasSubstr("pickle byte 3: global 'builtins.eval'"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch._utils", "_rebuild_tensor_v4").Stop()), HasSubstr("is refused"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "load").Stop()), HasSubstr("is refused"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict\x1b[31m").Stop()), HasSubstr("\\x1b[31m"));
}

TEST(PickleReader, SaysWhatToDoWithFilesThatHoldMoreThanWeights) {
  const auto advice = [](const std::string& module, const std::string& name) {
    return Refusal(PickleBuilder().Global(module, name).Stop());
  };
  for (const auto& [module, name] :
       {std::pair("argparse", "Namespace"), std::pair("omegaconf.dictconfig", "DictConfig"),
        std::pair("numpy.core.multiarray", "scalar"), std::pair("functools", "partial"),
        std::pair("wan.modules.model", "WanModel")}) {
    EXPECT_THAT(advice(module, name), HasSubstr("save the dict of the weights alone")) << module;
  }
  EXPECT_THAT(advice("torch.distributed.tensor", "DTensor"), HasSubstr("full_tensor()"));
  EXPECT_THAT(advice("__torch__.wan", "Model"), HasSubstr("TorchScript"));
  EXPECT_THAT(advice("torch.nn.modules.linear", "Linear"), HasSubstr("state_dict()"));
}

TEST(PickleReader, RefusesEveryOtherOpcodeWithNameAndOffset) {
  const std::string known = "(.NJKMGXU)t]ae}suqrhjcRbQ\x80\x85\x86\x87\x88\x89\x8a";
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    ++refused;
    const std::string pickle = PickleBuilder().Op('N').Op(static_cast<char>(opcode)).Raw(std::string(32, 'a')).Stop();
    EXPECT_THAT(Refusal(pickle), testing::MatchesRegex("pickle byte 3: opcode .* is refused.*")) << opcode;
  }
  EXPECT_EQ(refused, 256 - 32);
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x93').Stop()), HasSubstr("STACK_GLOBAL (0x93)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x81').Stop()), HasSubstr("NEWOBJ (0x81)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('i').Stop()), HasSubstr("INST (0x69)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x82').Stop()), HasSubstr("EXT1 (0x82)"));
}

TEST(PickleReader, RefusesOtherProtocols) {
  EXPECT_THAT(Refusal(std::string("\x80\x04N.", 4)), HasSubstr("protocol 4, not of protocol 2 or 3"));
  EXPECT_THAT(Refusal("N."), HasSubstr("protocol 2"));
  EXPECT_THAT(Refusal(""), HasSubstr("protocol 2"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("\x80\x02").Stop()), HasSubstr("a second PROTO"));
}

TEST(PickleReader, RefusesToReduceAnythingButTheKnownCallables) {
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "FloatStorage").Op(')').Op('R').Stop()), HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().String("eval").Op(')').Op('R').Stop()), HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict").Op(']').Op('R').Stop()),
              HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict").Op('}').Op('\x85').Op('R').Stop()),
              HasSubstr("a list of pairs"));
}

TEST(PickleReader, RefusesCallablesWithWrongArguments) {
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch._utils", "_rebuild_tensor_v2").Integers({1, 2}).Op('R').Stop()),
              HasSubstr("with 2 arguments"));
  EXPECT_THAT(
      Refusal(PickleBuilder().Global("torch._utils", "_rebuild_tensor_v2").Integers({1, 2, 3, 4, 5, 6}).Op('R').Stop()),
      HasSubstr("takes a storage"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch._utils", "_rebuild_parameter").Integers({1, 2, 3}).Op('R').Stop()),
              HasSubstr("takes a tensor"));
  EXPECT_THAT(Refusal(PickleBuilder()
                          .Global("torch._utils", "_rebuild_parameter_with_state")
                          .Integers({1, 2, 3, 4})
                          .Op('R')
                          .Stop()),
              HasSubstr("takes a tensor and three more"));
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

TEST(PickleReader, RebuildsFromATypeOnlyWhatRebuildsATensor) {
  const auto with = [](const std::string& module, const std::string& function, bool type) {
    PickleBuilder builder;
    builder.Global("torch._tensor", "_rebuild_from_type_v2").Op('(').Global(module, function);
    type ? builder.Global("torch", "Tensor") : builder.String("Tensor");
    return Refusal(builder.Op(')').Op('}').Op('t').Op('R').Stop());
  };
  EXPECT_THAT(with("collections", "OrderedDict", true), HasSubstr("takes a function that rebuilds a tensor"));
  EXPECT_THAT(with("torch._tensor", "_rebuild_from_type_v2", true), HasSubstr("takes a function"));
  EXPECT_THAT(with("torch._utils", "_rebuild_tensor_v2", false), HasSubstr("takes a function"));
  EXPECT_THAT(with("torch._utils", "_rebuild_tensor_v2", true), HasSubstr("with 0 arguments"));
  EXPECT_THAT(with("posix", "system", true), HasSubstr("global 'posix.system' is refused"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "Tensor").Op(')').Op('R').Stop()), HasSubstr("REDUCE"));
}

TEST(PickleReader, RefusesToBuildAnythingButADict) {
  EXPECT_THAT(Refusal(PickleBuilder().Op(']').Op('}').Op('b').Stop()), HasSubstr("BUILD"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('}').Op('N').Op('b').Stop()), HasSubstr("BUILD"));
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder().OrderedDict().Op('}').Op('b').Stop())).ok());
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

TEST(PickleReader, BoundsTheDictsThatAreMadeOfOneListAgainAndAgain) {
  PickleBuilder many = PickleBuilder().Raw("](");
  for (int i = 0; i < 1000; ++i) many.Raw(std::string("](K\0K\0e", 7));
  many.Raw(std::string("eq\0", 3));
  for (int i = 0; i < 1001; ++i) many.Raw(std::string("ccollections\nOrderedDict\nh\0\x85R", 29));
  EXPECT_THAT(Refusal(many.Stop()), HasSubstr("OrderedDicts of more than 1000000 pairs"));
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

TEST(PickleReader, RefusesPersistentIdsThatAreNoStorages) {
  EXPECT_THAT(Refusal(PickleBuilder().String("0").Op('Q').Stop()), HasSubstr("tuple of five"));
  EXPECT_THAT(Refusal(PickleBuilder().Integers({1, 2, 3, 4, 5}).Op('Q').Stop()), HasSubstr("('storage', type"));
}

TEST(PickleReader, RefusesAStackThatRunsEmpty) {
  for (const char* opcodes :
       {"a", "s", "R", "b", "Q", "\x85", "\x86", "\x87", "t", "e", "u", "qa", "(a", "N(\x85", "}(Ns"}) {
    EXPECT_FALSE(ReadPickle(AsBytes(PickleBuilder().Raw(opcodes).Stop())).ok()) << opcodes;
  }
  EXPECT_THAT(Refusal(PickleBuilder().Stop()), HasSubstr("0 values"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('N').Op('N').Stop()), HasSubstr("2 values"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('N').Op('(').Stop()), HasSubstr("ends with"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("h\x07").Stop()), HasSubstr("remembered under 7"));
}

TEST(PickleReader, RefusesWhatFollowsTheEnd) {
  EXPECT_THAT(Refusal(PickleBuilder().Op('N').Stop() + "cos\nsystem\n"), HasSubstr("11 bytes follow"));
}

TEST(PickleReader, RefusesAPickleCutAnywhere) {
  const std::string pickle = PickleBuilder()
                                 .OrderedDict()
                                 .Op('(')
                                 .String("w")
                                 .Tensor({.storage_elements = 6, .shape = {2, 3}, .strides = {3, 1}})
                                 .Op('u')
                                 .Stop();
  ASSERT_TRUE(ReadPickle(AsBytes(pickle)).ok());
  for (size_t size = 0; size < pickle.size(); ++size) {
    EXPECT_FALSE(ReadPickle(AsBytes(pickle).first(size)).ok()) << size;
  }
}

TEST(PickleReader, BoundsAMillionNestedListsInsteadOfRecursing) {
  std::string nested;
  for (int i = 0; i < 2'000'000; ++i) nested += ']';
  EXPECT_THAT(Refusal(PickleBuilder().Raw(nested).Stop()), HasSubstr("more than 1000000 values"));
  std::string deep(900'000, ']');
  deep += std::string(899'999, 'a');
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder().Raw(deep).Stop())).ok());
}

TEST(PickleReader, SurvivesAListThatHoldsItself) {
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder().Op(']').Raw(std::string("q\0h\0a", 5)).Stop())).ok());
}

// One long tuple, recalled as the shape of tensor after tensor, would be copied each time.
TEST(PickleReader, BoundsTheRankOfTensors) {
  const std::vector<int64_t> ones(17, 1);
  EXPECT_THAT(Refusal(PickleBuilder().Tensor({.storage_elements = 1, .shape = ones, .strides = ones}).Stop()),
              HasSubstr("at most 16 integers"));
}

TEST(PickleReader, BoundsIntegersStringsAndTheWholePickle) {
  EXPECT_THAT(Refusal(PickleBuilder().Raw("\x8a\x09").Raw(std::string(7, 'x')).Stop()), HasSubstr("cut short"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("X\xff\xff\xff\xff").Stop()), HasSubstr("cut short"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('c').Raw(std::string(5000, 'm')).Stop()), HasSubstr("too long"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw(std::string(kMaxPickleBytes, 'N')).Stop()), HasSubstr("at most 16777216"));
}

}  // namespace
}  // namespace videodiffcr
