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

TEST(WritableTest, AFileWithoutAFolderIsNamedWithItsFlag) {
  EXPECT_THAT(
      std::string(CheckWritable("/nowhere/table.csv", "--csv").message()),
      AllOf(HasSubstr("cannot write /nowhere/table.csv"), HasSubstr("make its folder"), HasSubstr("with --csv")));
}

}  // namespace
}  // namespace videodiffcr
