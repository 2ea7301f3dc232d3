#include "convert/pickle_reader.h"

#include <cstdint>
#include <string>

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
  EXPECT_EQ(tensor.storage.dtype, DType::kBF16);
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
            "pickle byte 2: global 'os.system' is refused: it is no part of plain tensor data");
  EXPECT_THAT(Refusal(PickleBuilder().Op('N').Global("builtins", "eval").Stop()),
              HasSubstr("pickle byte 3: global 'builtins.eval'"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch._utils", "_rebuild_tensor_v3").Stop()), HasSubstr("is refused"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "ComplexFloatStorage").Stop()), HasSubstr("is refused"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict\x1b[31m").Stop()), HasSubstr("\\x1b[31m"));
}

TEST(PickleReader, RefusesEveryOtherOpcodeWithNameAndOffset) {
  const std::string known = "(.NJKMGX)t]ae}suqrhjcRbQ\x80\x85\x86\x87\x88\x89\x8a";
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    ++refused;
    const std::string pickle = PickleBuilder().Op('N').Op(static_cast<char>(opcode)).Raw(std::string(32, 'a')).Stop();
    EXPECT_THAT(Refusal(pickle), testing::MatchesRegex("pickle byte 3: opcode .* is refused.*")) << opcode;
  }
  EXPECT_EQ(refused, 256 - 31);
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x93').Stop()), HasSubstr("STACK_GLOBAL (0x93)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x81').Stop()), HasSubstr("NEWOBJ (0x81)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('i').Stop()), HasSubstr("INST (0x69)"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('\x82').Stop()), HasSubstr("EXT1 (0x82)"));
}

TEST(PickleReader, RefusesOtherProtocols) {
  EXPECT_THAT(Refusal(std::string("\x80\x04N.", 4)), HasSubstr("protocol 2"));
  EXPECT_THAT(Refusal("N."), HasSubstr("protocol 2"));
  EXPECT_THAT(Refusal(""), HasSubstr("protocol 2"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("\x80\x02").Stop()), HasSubstr("a second PROTO"));
}

TEST(PickleReader, RefusesToReduceAnythingButTheKnownCallables) {
  EXPECT_THAT(Refusal(PickleBuilder().Global("torch", "FloatStorage").Op(')').Op('R').Stop()), HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().String("eval").Op(')').Op('R').Stop()), HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict").Op(']').Op('R').Stop()),
              HasSubstr("REDUCE"));
  EXPECT_THAT(Refusal(PickleBuilder().Global("collections", "OrderedDict").Op(']').Op('\x85').Op('R').Stop()),
              HasSubstr("from arguments"));
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
  EXPECT_THAT(Refusal(PickleBuilder().Raw("\x8a\x09").Raw(std::string(9, 'x')).Stop()), HasSubstr("9 bytes"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("X\xff\xff\xff\xff").Stop()), HasSubstr("cut short"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('c').Raw(std::string(5000, 'm')).Stop()), HasSubstr("too long"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw(std::string(kMaxPickleBytes, 'N')).Stop()), HasSubstr("at most 16777216"));
}

}  // namespace
}  // namespace videodiffcr
