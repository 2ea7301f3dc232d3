// Files in torch.save's format from before PyTorch 1.6: one that PyTorch wrote (testdata/make_testdata.py), and some
// that lie.
#include "convert/legacy_torch_file.h"

#include <string>

#include "convert/tensor_values.h"
#include "convert/weight_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LegacyParts {
  int64_t version = 1001;
  std::string view = "N";             // last of the storage's id
  std::string listed = "7";           // key in the list of storages
  uint64_t elements = 3;              // as the storage says
  std::string data = "abcdefghijkl";  // 12 bytes
};

// One fp32 tensor 'w' of three elements in the storage '7'.
std::string LegacyFile(const LegacyParts& parts) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  PickleBuilder object;
  object.Op('}').String("w").Global("torch._utils", "_rebuild_tensor_v2").Op('(');
  object.Op('(').String("storage").Global("torch", "FloatStorage").String("7").String("cpu").Integer(3);
  object.Raw(parts.view).Op('t').Op('Q');
  object.Integer(0).Integers({3}).Integers({1}).Op('\x89').OrderedDict().Op('t').Op('R').Op('s');
  return magic + PickleBuilder().Integer(parts.version).Stop() + PickleBuilder().Op('}').Stop() + object.Stop() +
         PickleBuilder().Op(']').String(parts.listed).Op('a').Stop() +
         std::string(reinterpret_cast<const char*>(&parts.elements), 8) + parts.data;
}

class LegacyTorchFileTest : public testing::Test {
 protected:
  absl::StatusOr<WeightFile> Open(const std::string& content) {
    WriteFile(folder_.Path("old.pth"), content);
    return WeightFile::Open(folder_.Path("old.pth"), {});
  }
  std::string Refusal(const LegacyParts& parts) { return MessageOf(Open(LegacyFile(parts))); }

  TemporaryFolder folder_;
};

TEST_F(LegacyTorchFileTest, ReadsWhatPyTorchWrites) {
  absl::StatusOr<WeightFile> file = WeightFile::Open(TestDataPath("legacy_format.pth"), {});
  ASSERT_TRUE(file.ok()) << file.status();
  const SourceTensor& tensor = file->tensors().at("weight");
  EXPECT_THAT(tensor.shape, ElementsAre(2));
  EXPECT_TRUE(file->CheckData(tensor).ok());
  float values[2] = {};
  ASSERT_TRUE(TensorValues(tensor).Read(0, 2, values).ok());
  EXPECT_THAT(values, ElementsAre(1, 1));
  EXPECT_THAT(file->notes(), ElementsAre(HasSubstr("legacy_format.pth: has no checksums")));
}

TEST_F(LegacyTorchFileTest, TakesWhatFollowsTheStoragesForNothing) {
  EXPECT_TRUE(Open(LegacyFile({})).ok());
  EXPECT_TRUE(Open(LegacyFile({.data = "abcdefghijkl and more"})).ok());
}

TEST_F(LegacyTorchFileTest, RefusesAFileCutAnywhere) {
  const std::string file = LegacyFile({});
  for (size_t size = 15; size < file.size(); ++size) EXPECT_FALSE(Open(file.substr(0, size)).ok()) << size;
  EXPECT_THAT(Refusal({.data = "abcdefgh"}),
              HasSubstr("storage '7' has 3 elements, of which 2 are in the file: it is cut short; fetch it again"));
}

TEST_F(LegacyTorchFileTest, RefusesWhatLies) {
  EXPECT_THAT(Refusal({.version = 1002}), HasSubstr("of a version other than 1001"));
  EXPECT_THAT(Refusal({.view = PickleBuilder().Op(')').Stop().substr(2, 1)}), HasSubstr("before 0.4"));
  EXPECT_THAT(Refusal({.listed = "8"}), HasSubstr("names one that no tensor has"));
  EXPECT_THAT(Refusal({.elements = 2}), HasSubstr("claims 3 elements of F32"));
  EXPECT_THAT(Refusal({.elements = UINT64_MAX}), HasSubstr("cut short"));
}

TEST_F(LegacyTorchFileTest, RefusesWhatAnArchiveMayNotNameEither) {
  std::string file = LegacyFile({});
  file.insert(15 + PickleBuilder().Integer(0).Stop().size() + PickleBuilder().Op('}').Stop().size() + 2,
              "cposix\nsystem\n");
  EXPECT_THAT(MessageOf(Open(file)), HasSubstr("old.pth: its object: pickle byte 2: global 'posix.system' is refused"));
}

}  // namespace
}  // namespace videodiffcr
