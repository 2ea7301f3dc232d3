#include "server/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DiagnoseTest : public testing::Test {
 protected:
  DiagnoseTest() : folder_(absl::StrCat(testing::TempDir(), "diagnose_", getpid())) {
    std::filesystem::create_directory(folder_);
    Write("config.json", "{}");
  }
  ~DiagnoseTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) const { std::ofstream(folder_ + "/" + name) << text; }

  const std::string folder_;
};

TEST_F(DiagnoseTest, AFingerprintChangesWithWhatSaysWhichModelItIs) {
  const std::string first = ModelFingerprint(folder_);
  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(ModelFingerprint(folder_), first);
  Write("config.json", "[]");
  const std::string second = ModelFingerprint(folder_);
  EXPECT_NE(second, first);
  // A header of four bytes, then more values than are read.
  const std::string weights = std::string("\4\0\0\0\0\0\0\0{  }", 12) + std::string(100'000, 'w');
  Write("weights.safetensors", weights);
  const std::string third = ModelFingerprint(folder_);
  EXPECT_NE(third, second);
  std::string other = weights;
  other[9] = '"';
  Write("weights.safetensors", other);
  EXPECT_NE(ModelFingerprint(folder_), third) << "the header is read";
  Write("weights.safetensors", std::string("\4\0\0\0\0\0\0\0{  }", 12) + std::string(100'000, 'v'));
  EXPECT_NE(ModelFingerprint(folder_), third) << "values are looked at";
  Write("weights.safetensors", weights);
  Write("README.md", "about it");
  EXPECT_EQ(ModelFingerprint(folder_), third) << "what is not loaded is not the model";
  EXPECT_EQ(ModelFingerprint("/nowhere"), "");
}

// It calls itself a regular file, and who reads it waits for the kernel's next word: a starting server, for ever.
TEST_F(DiagnoseTest, AFileThatWouldBeWaitedForIsPassedOver) {
  std::filesystem::create_symlink("/proc/kmsg", folder_ + "/vocabulary.json");
  EXPECT_EQ(ModelFingerprint(folder_).size(), 64U);
}

TEST_F(DiagnoseTest, TheTextNamesFlagsModelAndLimitsAndReadsNoSecret) {
  Write("tokens.json", "the secret");
  CommandLine line;
  line.model_folder = folder_;
  line.config.tokens_file = folder_ + "/tokens.json";
  line.config.scheduler.max_sessions = 12;
  const std::string text = Diagnose(line, {"--tokens-file", line.config.tokens_file});
  EXPECT_THAT(text, HasSubstr(ModelFingerprint(folder_)));
  EXPECT_THAT(text, HasSubstr("open files"));
  EXPECT_THAT(text, HasSubstr("12 sessions")) << "by a flag or by default, what holds is said";
  EXPECT_THAT(text, HasSubstr("--tokens-file"));
  EXPECT_THAT(text, HasSubstr("tokens yes"));
  EXPECT_THAT(text, Not(HasSubstr("the secret")));
}

}  // namespace
}  // namespace videodiffcr
