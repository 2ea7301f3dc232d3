// What no pickle may hold, however it is put together, and how large one may be.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "convert/pickle_reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& pickle) { return MessageOf(ReadPickle(AsBytes(pickle))); }

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

}  // namespace
}  // namespace videodiffcr
