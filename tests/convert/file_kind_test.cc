#include "convert/file_kind.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using std::string_literals::operator""s;  // NOLINT(misc-unused-using-decls): "..."s is not seen as its use

std::string KindOf(const std::string& file) { return ForeignFileKind(AsBytes(file)); }

TEST(ForeignFileKind, SaysWhatAFileIsAndWhatToDo) {
  EXPECT_THAT(KindOf("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5676070424\n"),
              HasSubstr("is a Git LFS pointer and not the file itself, which has 5676070424 bytes; fetch that with git "
                        "lfs pull"));
  EXPECT_THAT(KindOf("\n <!DOCTYPE html><html>"), HasSubstr("is an HTML page"));
  EXPECT_THAT(KindOf("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"), HasSubstr("answer of the web server"));
  EXPECT_THAT(KindOf("{\"error\":\"Repository not found\"}"), HasSubstr("is a JSON text"));
  EXPECT_THAT(KindOf("{\"metadata\": {}, \"weight_map\": {}}"), HasSubstr("is the index of a checkpoint in shards"));
  EXPECT_THAT(KindOf("Entry not found"), HasSubstr("is a text"));
  EXPECT_THAT(KindOf("GGUF\3\0\0\0"s), HasSubstr("is GGUF"));
  EXPECT_THAT(KindOf("\x1f\x8b\x08\0\0\0\0\0\0\3"s), HasSubstr("is compressed with gzip; unpack it first"));
  EXPECT_THAT(KindOf("\x28\xb5\x2f\xfd\0\0\0\0\0"s), HasSubstr("zstd"));
  EXPECT_THAT(KindOf("\x89HDF\r\n\x1a\n\0"s), HasSubstr("HDF5"));
  EXPECT_THAT(KindOf("name" + std::string(253, '\0') + "ustar\0"s), HasSubstr("is a tar archive"));
  EXPECT_THAT(KindOf("\x80\x03}q\0."s), HasSubstr("is a bare pickle"));
  EXPECT_THAT(KindOf("\x80\x04\x95\xff\0\0\0\0\0\0"s), HasSubstr("is a bare pickle"));
  EXPECT_THAT(KindOf(std::string(100, '\0')), HasSubstr("nothing but zeros"));
  EXPECT_THAT(KindOf("\x01\x02\x03\xfe\xff\xff\xff\xff\xff"), HasSubstr("begins with 010203feffffffff"));
}

// The length of a header may be the first bytes of anything.
TEST(ForeignFileKind, TakesNoSafetensorsForSomethingElse) {
  for (const std::string& length : {"\x1f\x8b\0\0\0\0\0\0"s, "\x80\x02\0\0\0\0\0\0"s, "GGUF\0\0\0\0"s}) {
    EXPECT_EQ(KindOf(length + "{\"a\":"), "") << testing::PrintToString(length);
  }
}

TEST(TokenizerFileKind, NamesWhatIsGivenInPlaceOfSpieceModel) {
  EXPECT_THAT(TokenizerFileKind("{\"version\": \"1.0\"}"), HasSubstr("as tokenizer.json is"));
  EXPECT_THAT(TokenizerFileKind("version https://git-lfs.github.com/spec/v1\nsize 4548313\n"),
              HasSubstr("is a Git LFS pointer"));
  EXPECT_EQ(TokenizerFileKind("\x0a\x0e\x0a\x05<pad>\xff"), "");
}

}  // namespace
}  // namespace videodiffcr
