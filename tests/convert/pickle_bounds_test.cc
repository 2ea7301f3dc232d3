// What a pickle may not make of a few bytes: memory and time. Recalled values (BINGET) are what costs it nothing.
#include <string>

#include "convert/pickle_reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

const std::string kRecall0("h\0", 2);

std::string Refusal(const std::string& pickle) { return MessageOf(ReadPickle(AsBytes(pickle))); }

std::string Repeated(const std::string& opcodes, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += opcodes;
  return all;
}

TEST(PickleBounds, BoundsTheDictsThatAreMadeOfOneListAgainAndAgain) {
  PickleBuilder many = PickleBuilder().Raw("](");
  for (int i = 0; i < 1000; ++i) many.Raw(std::string("](K\0K\0e", 7));
  many.Raw(std::string("eq\0", 3));
  for (int i = 0; i < 1001; ++i) many.Raw(std::string("ccollections\nOrderedDict\nh\0\x85R", 29));
  EXPECT_THAT(Refusal(many.Stop()), HasSubstr("more than 1000000 copies of pairs of OrderedDicts"));
}

TEST(PickleBounds, BoundsAMillionNestedListsInsteadOfRecursing) {
  std::string nested;
  for (int i = 0; i < 2'000'000; ++i) nested += ']';
  EXPECT_THAT(Refusal(PickleBuilder().Raw(nested).Stop()), HasSubstr("more than 1000000 values"));
  std::string deep(900'000, ']');
  deep += std::string(899'999, 'a');
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder().Raw(deep).Stop())).ok());
}

TEST(PickleBounds, SurvivesAListThatHoldsItself) {
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder().Op(']').Raw(std::string("q\0h\0a", 5)).Stop())).ok());
}

// One long tuple, recalled as the shape of tensor after tensor, would be copied each time.
TEST(PickleBounds, BoundsTheRankOfTensors) {
  const std::vector<int64_t> ones(17, 1);
  EXPECT_THAT(Refusal(PickleBuilder().Tensor({.storage_elements = 1, .shape = ones, .strides = ones}).Stop()),
              HasSubstr("at most 16 integers"));
}

TEST(PickleBounds, BoundsIntegersStringsAndTheWholePickle) {
  EXPECT_THAT(Refusal(PickleBuilder().Raw("\x8a\x09").Raw(std::string(7, 'x')).Stop()), HasSubstr("cut short"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw("X\xff\xff\xff\xff").Stop()), HasSubstr("cut short"));
  EXPECT_THAT(Refusal(PickleBuilder().Op('c').Raw(std::string(5000, 'm')).Stop()), HasSubstr("too long"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw(std::string(kMaxPickleBytes, 'N')).Stop()), HasSubstr("at most 16777216"));
}

TEST(PickleBounds, BoundsTheSizesOfTensorsThatAreMadeOfOneTupleAgainAndAgain) {
  const std::vector<int64_t> ones(16, 1);
  PickleBuilder many;
  many.Op(']').Op('(').Global("torch._utils", "_rebuild_tensor_v2").Raw(std::string("q\0", 2)).Op('(');
  many.Storage("FloatStorage", "0", 1).Integer(0).Integers(ones).Integers(ones).Op('\x89').OrderedDict().Op('t');
  many.Raw("q\1").Op('R');
  EXPECT_TRUE(ReadPickle(AsBytes(PickleBuilder(many).Raw(Repeated(kRecall0 + "h\1R", 31'249)).Op('e').Stop())).ok());
  EXPECT_THAT(Refusal(PickleBuilder(many).Raw(Repeated(kRecall0 + "h\1R", 31'250)).Op('e').Stop()),
              HasSubstr("more than 1000000 copies of sizes of tensors"));
}

TEST(PickleBounds, BoundsTheFlagsThatEveryTensorMayBeAskedFor) {
  const auto tensor = [](int flags) {
    PickleBuilder pickle;
    pickle.Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 1).Integer(0);
    pickle.Integers({1}).Integers({1}).Op('\x89').OrderedDict().Op('}').Op('(').Raw(Repeated("K\1\x89", flags));
    return pickle.Op('u').Op('t').Op('R').Stop();
  };
  EXPECT_TRUE(ReadPickle(AsBytes(tensor(16))).ok());
  EXPECT_THAT(Refusal(tensor(17)), HasSubstr("_rebuild_tensor_v2: metadata of more than 16 flags"));
}

TEST(PickleBounds, BoundsWhatIsRecalledOntoTheStack) {
  const auto recalled = [](int count) {
    return PickleBuilder().Op('(').Op('N').Raw(std::string("q\0", 2)).Raw(Repeated(kRecall0, count)).Op('t').Stop();
  };
  EXPECT_TRUE(ReadPickle(AsBytes(recalled(999'999))).ok());
  EXPECT_THAT(Refusal(recalled(1'000'000)), HasSubstr("more than 1000000 values on the stack"));
  EXPECT_THAT(Refusal(PickleBuilder().Raw(std::string(1'000'001, '(')).Stop()),
              HasSubstr("more than 1000000 marks on the stack"));
}

TEST(PickleBounds, BoundsWhatIsRemembered) {
  PickleBuilder many;
  many.Op('N');
  for (uint32_t i = 0; i <= 1'000'000; ++i) many.Op('r').Raw(std::string(reinterpret_cast<const char*>(&i), 4));
  EXPECT_THAT(Refusal(many.Stop()), HasSubstr("more than 1000000 values to remember"));
}

TEST(PickleBounds, BoundsTheKeyOfAStorageWhichEveryTensorInItIsFoundBy) {
  const auto storage = [](size_t bytes) {
    return PickleBuilder().Storage("FloatStorage", std::string(bytes, 'k'), 1).Stop();
  };
  EXPECT_TRUE(ReadPickle(AsBytes(storage(1024))).ok());
  EXPECT_THAT(Refusal(storage(1025)), HasSubstr("a storage's key of 1025 bytes; at most 1024 are read"));
}

}  // namespace
}  // namespace videodiffcr
