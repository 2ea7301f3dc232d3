#include "system/scratch_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "tests/system/temporary_folder.h"
#include "tests/system/temporary_variable.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ScratchFolderTest, ItIsWhereTemporaryFilesAreAndGoneInTheEndWithWhatIsInIt) {
  const TemporaryFolder place;
  const TemporaryVariable where("TMPDIR", place.Path(""));
  std::string path;
  {
    absl::StatusOr<ScratchFolder> made = ScratchFolder::Make("videodiffcr-view");
    ASSERT_TRUE(made.ok()) << made.status();
    const ScratchFolder folder = *std::move(made);
    path = folder.path();
    EXPECT_THAT(path, StartsWith(place.Path("videodiffcr-view-")));
    std::ofstream(path + "/file") << "text";
    EXPECT_TRUE(std::filesystem::exists(path + "/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ScratchFolderTest, WithoutAPlaceForTemporaryFilesItSaysWhatToDo) {
  const TemporaryVariable where("TMPDIR", "/nonexistent");
  EXPECT_THAT(std::string(ScratchFolder::Make("videodiffcr-view").status().message()),
              AllOf(HasSubstr("no folder for temporary files"), HasSubstr("with TMPDIR")));
}

}  // namespace
}  // namespace videodiffcr
