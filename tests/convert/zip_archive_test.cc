#include "convert/zip_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "system/mapped_file.h"
#include "tests/convert/test_files.h"
#include "tests/convert/zip_builder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::string DataOf(const ZipArchive& archive, const std::string& name) {
  const absl::Span<const uint8_t> data = archive.entries.at(name).data;
  return std::string(data.begin(), data.end());
}

std::string Refusal(const std::string& zip) { return MessageOf(OpenZipArchive(AsBytes(zip), "a.pth")); }
std::string EntryRefusal(const ZipTestEntry& entry) {
  return Refusal(BuildZip({{.name = "m/first", .data = "one"}, entry}));
}

TEST(ZipArchive, FindsStoredEntriesInPlace) {
  const std::string zip = BuildZip({{.name = "m/data.pkl", .data = "pickle"}, {.name = "m/.data/id", .data = ""}});
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(archive->entries.size(), 2);
  EXPECT_EQ(DataOf(*archive, "m/data.pkl"), "pickle");
  EXPECT_EQ(DataOf(*archive, "m/.data/id"), "");
  EXPECT_TRUE(CheckZipEntry(*archive, "m/data.pkl").ok());
}

TEST(ZipArchive, ReadsDataDescriptorsZip64FieldsAndComments) {
  const std::string zip = BuildZip(
      {{.name = "m/a", .data = "12345", .data_descriptor = true}, {.name = "m/b", .data = "678", .zip64 = true}},
      {.zip64_end = true, .comment = "a comment"});
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(DataOf(*archive, "m/a"), "12345");
  EXPECT_EQ(DataOf(*archive, "m/b"), "678");
}

// A sparse file: an entry that starts, and a directory that lies, beyond the first 4 GiB.
TEST(ZipArchive, ReadsFilesLargerThanFourGiB) {
  const TemporaryFolder folder;
  const uint64_t far = (uint64_t{5} << 30) + 64;
  const ZipTestEntry last{.name = "m/last", .data = "the end", .zip64 = true, .local_offset = far};
  // The directory and the end records, as they would be with the entry at `far`.
  const std::string near = BuildZip({last}, {.zip64_end = true, .directory_offset = far + 200});
  const std::string entry = near.substr(0, near.find("PK\x01\x02"));
  std::string rest = near.substr(near.find("PK\x01\x02"));
  const uint64_t record = far + 200 + rest.find("PK\x06\x06");
  std::memcpy(rest.data() + rest.find("PK\x06\x07") + 8, &record, 8);
  const std::string path = folder.Path("large.pth");
  const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(pwrite(file, entry.data(), entry.size(), far), static_cast<ssize_t>(entry.size()));
  ASSERT_EQ(pwrite(file, rest.data(), rest.size(), far + 200), static_cast<ssize_t>(rest.size()));
  close(file);

  const absl::StatusOr<MappedFile> mapped = MappedFile::Open(path);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(mapped->bytes(), path);
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(DataOf(*archive, "m/last"), "the end");
  EXPECT_TRUE(CheckZipEntry(*archive, "m/last").ok());
}

TEST(ZipArchive, RefusesACompressedEntryWhateverItsRatio) {
  EXPECT_THAT(EntryRefusal({.name = "m/bomb", .data = "x", .method = 8, .plain_bytes = uint64_t{1} << 31}),
              HasSubstr("'m/bomb': is compressed (method 8)"));
}

TEST(ZipArchive, RefusesOtherMethodsThanDeflate) {
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .method = 14}), HasSubstr("'m/x': is compressed (method 14)"));
}

TEST(ZipArchive, ReadsPastFoldersAndWhatWasAppended) {
  const std::string zip = BuildZip({{.name = "m/"}, {.name = "m/data/"}, {.name = "m/data/0", .data = "abc"}},
                                   {.appended = "a downloader's note"});
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(archive->entries.size(), 1);
  EXPECT_EQ(DataOf(*archive, "m/data/0"), "abc");
  EXPECT_FALSE(archive->without_checksums);
}

TEST(ZipArchive, TakesZeroForEveryChecksumAsNone) {
  const std::string none =
      BuildZip({{.name = "m/a", .data = "abc", .crc32 = 0}, {.name = "m/b", .data = "d", .crc32 = 0}});
  absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(none), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_TRUE(archive->without_checksums);
  EXPECT_TRUE(CheckZipEntry(*archive, "m/a").ok());
  const std::string one = BuildZip({{.name = "m/a", .data = "abc", .crc32 = 0}, {.name = "m/b", .data = "d"}});
  archive = OpenZipArchive(AsBytes(one), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_FALSE(archive->without_checksums);
  EXPECT_EQ(CheckZipEntry(*archive, "m/a").code(), absl::StatusCode::kDataLoss);
}

TEST(ZipArchive, RefusesAnEncryptedEntry) {
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .flags = 1}), HasSubstr("'m/x': is encrypted"));
}

TEST(ZipArchive, RefusesNamesThatLeaveTheirFolder) {
  for (const char* name : {"../x", "m/../../x", "/etc/x", "m//x", "m/./x", "m/", ""}) {
    EXPECT_THAT(EntryRefusal({.name = name, .data = "x"}), HasSubstr("climbs out")) << name;
  }
  EXPECT_THAT(EntryRefusal({.name = "m\\..\\x", .data = "x"}), HasSubstr("backslash"));
  EXPECT_THAT(EntryRefusal({.name = std::string("m/x\0y", 5), .data = "x"}), HasSubstr("zero byte"));
}

TEST(ZipArchive, RefusesADoubledName) {
  EXPECT_THAT(EntryRefusal({.name = "m/first", .data = "x"}), HasSubstr("'m/first': is there twice"));
}

TEST(ZipArchive, RefusesEntriesThatOverlap) {
  // The second directory header points at the first entry, under the same local name.
  EXPECT_THAT(Refusal(BuildZip({{.name = "m/b", .data = "abc"}, {.name = "m/a", .data = "abc", .local_offset = 0}})),
              HasSubstr("disagree"));
  const std::string inner = BuildZip({{.name = "m/a", .data = "abc"}});
  EXPECT_THAT(
      Refusal(BuildZip({{.name = "m/outer", .data = inner}, {.name = "m/a", .data = "abc", .local_offset = 64}})),
      HasSubstr("'m/a': overlaps 'm/outer'"));
}

TEST(ZipArchive, RefusesSizesThatLie) {
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .plain_bytes = 2}), HasSubstr("its sizes differ"));
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .plain_bytes = 500, .stored_bytes = 500}),
              HasSubstr("leave the"));
  EXPECT_THAT(
      EntryRefusal({.name = "m/x", .data = "x", .zip64 = true, .plain_bytes = ~0ull - 4, .stored_bytes = ~0ull - 4}),
      HasSubstr("leave the"));
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "xyz", .local_bytes = 2}), HasSubstr("disagree"));
}

TEST(ZipArchive, RefusesOffsetsOutsideTheFile) {
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .local_offset = 100000}), HasSubstr("no local header"));
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .zip64 = true, .local_offset = ~0ull}),
              HasSubstr("no local header"));
  EXPECT_THAT(Refusal(BuildZip({}, {.directory_offset = 1000})), HasSubstr("leaves the file"));
  EXPECT_THAT(Refusal(BuildZip({}, {.zip64_end = true, .directory_offset = ~0ull, .directory_bytes = 2})),
              HasSubstr("leaves the file"));
}

TEST(ZipArchive, RefusesALocalHeaderWithAnotherName) {
  EXPECT_THAT(EntryRefusal({.name = "m/x", .data = "x", .local_name = "m/y"}), HasSubstr("disagree"));
}

TEST(ZipArchive, RefusesAWrongNumberOfEntries) {
  const std::vector<ZipTestEntry> entries = {{.name = "m/a", .data = "abc"}, {.name = "m/b", .data = "abc"}};
  EXPECT_THAT(Refusal(BuildZip(entries, {.entries = 1})), HasSubstr("more than its 1 entries need"));
  EXPECT_THAT(Refusal(BuildZip(entries, {.entries = 60000})), HasSubstr("claims 60000 entries"));
  EXPECT_THAT(Refusal(BuildZip(entries, {.zip64_end = true, .entries = ~0ull})), HasSubstr("claims"));
}

TEST(ZipArchive, RefusesAFileCutAnywhere) {
  const std::string zip =
      BuildZip({{.name = "m/a", .data = "abc"}, {.name = "m/b", .data = "d", .zip64 = true}}, {.zip64_end = true});
  for (size_t size = 0; size < zip.size(); ++size) {
    EXPECT_FALSE(OpenZipArchive(AsBytes(zip).first(size), "a.pth").ok()) << size;
  }
}

TEST(ZipArchive, SurvivesEveryByteBeingChanged) {
  const std::string zip =
      BuildZip({{.name = "m/a", .data = "abc", .data_descriptor = true}, {.name = "m/b", .data = "d", .zip64 = true}},
               {.zip64_end = true});
  for (size_t i = 0; i < zip.size(); ++i) {
    for (const char value : {'\0', '\x01', '\x7f', '\xff'}) {
      std::string changed = zip;
      changed[i] = value;
      const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(changed), "a.pth");
      if (!archive.ok()) continue;
      for (const auto& [name, entry] : archive->entries) CheckZipEntry(*archive, name).IgnoreError();
    }
  }
}

TEST(ZipArchive, NamesTheEntryWhoseChecksumIsWrong) {
  const std::string zip = BuildZip({{.name = "m/a", .data = "abc", .crc32 = 1}});
  const absl::StatusOr<ZipArchive> archive = OpenZipArchive(AsBytes(zip), "a.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  const absl::Status status = CheckZipEntry(*archive, "m/a");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(MessageOf(status), HasSubstr("a.pth: zip entry 'm/a': checksum 352441c2, the directory says 00000001"));
}

}  // namespace
}  // namespace videodiffcr
