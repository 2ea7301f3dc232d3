#include "convert/partial_folder.h"

#include <filesystem>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using std::filesystem::exists;
using ::testing::HasSubstr;

const std::vector<std::string> kNames = {"weights", "config.json"};

TEST(PartialFolder, AppearsUnderItsNameOnCommit) {
  const TemporaryFolder parent;
  absl::StatusOr<PartialFolder> folder = PartialFolder::Create(parent.Path("model/"), kNames);
  ASSERT_TRUE(folder.ok()) << folder.status();
  WriteFile(folder->path() + "/weights", "1");
  EXPECT_FALSE(exists(parent.Path("model")));
  ASSERT_TRUE(folder->Commit().ok());
  EXPECT_EQ(ReadFile(parent.Path("model/weights")), "1");
  EXPECT_FALSE(exists(parent.Path("model.partial")));
}

TEST(PartialFolder, LeavesNothingWithoutCommit) {
  const TemporaryFolder parent;
  {
    absl::StatusOr<PartialFolder> folder = PartialFolder::Create(parent.Path("model"), kNames);
    ASSERT_TRUE(folder.ok());
    const PartialFolder moved = *std::move(folder);
    WriteFile(moved.path() + "/weights", "1");
  }
  EXPECT_FALSE(exists(parent.Path("model")));
  EXPECT_FALSE(exists(parent.Path("model.partial")));
}

TEST(PartialFolder, TakesOverWhatAKilledProcessLeft) {
  const TemporaryFolder parent;
  std::filesystem::create_directory(parent.Path("model.partial"));
  WriteFile(parent.Path("model.partial/weights"), "half");
  absl::StatusOr<PartialFolder> folder = PartialFolder::Create(parent.Path("model"), kNames);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_FALSE(exists(parent.Path("model.partial/weights")));
}

TEST(PartialFolder, TouchesNoFileThatItDidNotWrite) {
  const TemporaryFolder parent;
  std::filesystem::create_directory(parent.Path("model.partial"));
  WriteFile(parent.Path("model.partial/thesis.txt"), "years of work");
  WriteFile(parent.Path("model.partial/weights"), "half");
  EXPECT_THAT(MessageOf(PartialFolder::Create(parent.Path("model"), kNames)), HasSubstr("holds thesis.txt"));
  EXPECT_TRUE(exists(parent.Path("model.partial/thesis.txt")));
  EXPECT_TRUE(exists(parent.Path("model.partial/weights")));
}

TEST(PartialFolder, OverwritesNoFinishedFolder) {
  const TemporaryFolder parent;
  std::filesystem::create_directory(parent.Path("model"));
  EXPECT_EQ(PartialFolder::Create(parent.Path("model"), kNames).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(PartialFolder, IsWrittenByOneProcessAtATime) {
  const TemporaryFolder parent;
  const absl::StatusOr<PartialFolder> first = PartialFolder::Create(parent.Path("model"), kNames);
  ASSERT_TRUE(first.ok());
  WriteFile(first->path() + "/weights", "1");
  EXPECT_EQ(PartialFolder::Create(parent.Path("model"), kNames).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReadFile(first->path() + "/weights"), "1");
}

TEST(PartialFolder, NamesTheParentThatIsNotThere) {
  const TemporaryFolder parent;
  EXPECT_THAT(MessageOf(PartialFolder::Create(parent.Path("no/model"), kNames)), HasSubstr("no/model.partial"));
}

}  // namespace
}  // namespace videodiffcr
