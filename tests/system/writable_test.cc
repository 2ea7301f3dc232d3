#include "system/writable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(WritableTest, LookingChangesNoFileAndLeavesNoneBehind) {
  const TemporaryFolder folder;
  const std::string older = folder.Write("older.csv", "older"), fresh = folder.Path("fresh.csv");
  EXPECT_TRUE(CheckWritable(older, "--csv").ok());
  EXPECT_EQ(ReadFile(older), "older");
  EXPECT_TRUE(CheckWritable(fresh, "--csv").ok());
  EXPECT_FALSE(std::filesystem::exists(fresh));
}

TEST(WritableTest, ALinkToAFileThatIsNotThereYetStaysOne) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("other", folder.Path("link"));
  std::filesystem::create_symlink("link", folder.Path("first"));
  EXPECT_TRUE(CheckWritable(folder.Path("first"), "--output").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.Path("link")));
  EXPECT_FALSE(std::filesystem::exists(folder.Path("other")));
  const std::string older = folder.Write("other", "older");
  EXPECT_TRUE(CheckWritable(folder.Path("first"), "--output").ok());
  EXPECT_EQ(ReadFile(older), "older");
  std::filesystem::create_symlink("nowhere/file", folder.Path("lost"));
  EXPECT_THAT(std::string(CheckWritable(folder.Path("lost"), "--output").message()), HasSubstr("make its folder"));
}

TEST(WritableTest, AFileWithoutAFolderIsNamedWithItsFlag) {
  EXPECT_THAT(
      std::string(CheckWritable("/nowhere/table.csv", "--csv").message()),
      AllOf(HasSubstr("cannot write /nowhere/table.csv"), HasSubstr("make its folder"), HasSubstr("with --csv")));
}

}  // namespace
}  // namespace videodiffcr
