#include "convert/zip_entry.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"
#include "tests/convert/zip_builder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// Three megabytes that deflate well, so that they come in several pieces.
std::string Large() {
  std::string text;
  for (int i = 0; text.size() < (3u << 20); ++i) text += std::to_string(i % 1000) + "\n";
  return text;
}

class ZipEntryTest : public testing::Test {
 protected:
  ZipArchive Open(const std::vector<ZipTestEntry>& entries) {
    zip_ = BuildZip(entries);
    absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip_), "a.pth");
    EXPECT_TRUE(archive.ok()) << archive.status();
    return archive.ok() ? *std::move(archive) : ZipArchive{};
  }
  std::string Unpack(const ZipArchive& archive, const std::string& name) {
    const absl::StatusOr<MappedFile> file = UnpackZipEntry(archive, name, folder_.Path(""));
    if (!file.ok()) return MessageOf(file);
    return std::string(file->bytes().begin(), file->bytes().end());
  }

  std::string zip_;
  TemporaryFolder folder_;
};

TEST_F(ZipEntryTest, ReadsStoredAndDeflatedEntriesAlike) {
  const ZipArchive archive = Open({{.name = "m/a", .data = "abc"},
                                   {.name = "m/b", .data = "abcabcabcabc", .deflate = true},
                                   {.name = "m/c", .data = "xyz", .deflate = true, .data_descriptor = true},
                                   {.name = "m/d", .deflate = true}});
  EXPECT_EQ(*ReadZipEntry(archive, "m/a", 100), "abc");
  EXPECT_EQ(*ReadZipEntry(archive, "m/b", 100), "abcabcabcabc");
  EXPECT_EQ(*ReadZipEntry(archive, "m/c", 100), "xyz");
  EXPECT_EQ(*ReadZipEntry(archive, "m/d", 100), "");
  EXPECT_THAT(MessageOf(ReadZipEntry(archive, "m/b", 11)), HasSubstr("'m/b': 12 bytes; at most 11"));
  EXPECT_EQ(ReadZipEntry(archive, "m/e", 100).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ZipEntryTest, UnpacksIntoAFileThatLeavesNothingBehind) {
  const std::string large = Large();
  const ZipArchive archive = Open({{.name = "m/a", .data = large, .deflate = true}});
  EXPECT_EQ(Unpack(archive, "m/a"), large);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.Path("")));
}

TEST_F(ZipEntryTest, NamesTheEntryThatIsDamaged) {
  const std::string large = Large();
  EXPECT_THAT(Unpack(Open({{.name = "m/a", .data = large, .deflate = true, .crc32 = 7}}), "m/a"),
              HasSubstr("'m/a': checksum"));
  EXPECT_THAT(Unpack(Open({{.name = "m/a", .data = large, .deflate = true, .plain_bytes = 1000}}), "m/a"),
              HasSubstr("unpacks to more than"));
  EXPECT_THAT(Unpack(Open({{.name = "m/a", .data = "abc", .deflate = true, .plain_bytes = 4}}), "m/a"),
              HasSubstr("unpacks to 3 bytes, not 4"));
  EXPECT_THAT(Unpack(Open({{.name = "m/a", .data = std::string(100, '\xff'), .method = 8}}), "m/a"),
              HasSubstr("make no sense"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.Path("")));
}

}  // namespace
}  // namespace videodiffcr
