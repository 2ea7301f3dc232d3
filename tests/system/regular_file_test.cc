#include "system/regular_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& path, int64_t max_bytes) {
  return std::string(ReadRegularFile(path, max_bytes).status().message());
}

TEST(RegularFileTest, AllOfAFileIsReadUpToItsBound) {
  const TemporaryFolder folder;
  EXPECT_EQ(*ReadRegularFile(folder.Write("empty", ""), 0), "");
  const std::string long_text(200'000, 'x');
  EXPECT_EQ(*ReadRegularFile(folder.Write("long", long_text), 200'000), long_text);
  EXPECT_EQ(Refusal(folder.Path("long"), 199'999),
            folder.Path("long") + ": has 200000 bytes; it may have at most 199999");
}

TEST(RegularFileTest, AFileThatSaysItIsEmptyIsReadToItsEndAndNoFurtherThanTheBound) {
  EXPECT_THAT(*ReadRegularFile("/proc/self/status", 1 << 20), HasSubstr("Name:"));
  EXPECT_THAT(Refusal("/proc/self/status", 10), HasSubstr("it may have at most 10"));
}

TEST(RegularFileTest, BytesAreReadFromWhereTheyAreAskedForAndNoneBehindTheEnd) {
  const TemporaryFolder folder;
  const absl::StatusOr<RegularFile> file = RegularFile::Open(folder.Write("few", "abcdef"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::string bytes(4, '.');
  EXPECT_EQ(*file->ReadAt(2, bytes.data(), 3), 3U);
  EXPECT_EQ(bytes, "cde.");
  EXPECT_EQ(*file->ReadAt(5, bytes.data(), 4), 1U);
  EXPECT_EQ(*file->ReadAt(6, bytes.data(), 4), 0U);
  EXPECT_THAT(std::string(file->ReadAt(-1, bytes.data(), 4).status().message()), HasSubstr("few: cannot be read"));
}

// Each once held a loading server for ever, or filled its memory.
TEST(RegularFileTest, WhatIsNoRegularFileIsRefusedAtOnce) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder.Path("pipe"), std::string("/dev/zero"), std::string("/tmp")}) {
    EXPECT_EQ(ReadRegularFile(path, 100).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Refusal(path, 100), path + ": is not a regular file");
  }
}

TEST(RegularFileTest, AFileThatIsNotThereIsNotFound) {
  EXPECT_EQ(ReadRegularFile("/nowhere", 100).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Refusal("/nowhere", 100), HasSubstr("/nowhere: cannot be opened"));
}

}  // namespace
}  // namespace videodiffcr
