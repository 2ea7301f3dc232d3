#include "convert/safetensors_stream.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

const std::vector<StreamedTensor> kTwoTensors = {{"wide", DType::kF32, {2}}, {"narrow", DType::kBF16, {3, 1}}};

TEST(SafetensorsStream, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("a.safetensors");
  absl::StatusOr<SafetensorsStream> stream = SafetensorsStream::Create(path, kTwoTensors, {{"format", "pt"}});
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(stream->Append(AsBytes("01234567ab")).ok());
  ASSERT_TRUE(stream->Append(AsBytes("cdef")).ok());
  ASSERT_TRUE(stream->Finish().ok());
  const absl::StatusOr<SafetensorsReader> reader = SafetensorsReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->metadata().at("format"), "pt");
  const TensorEntry wide = *reader->Find("wide", {2});
  EXPECT_EQ(std::string(wide.data, wide.data + wide.bytes), "01234567");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(wide.data) % 8, 0);
  const TensorEntry narrow = *reader->Find("narrow", {3, 1});
  EXPECT_EQ(narrow.dtype, DType::kBF16);
  EXPECT_EQ(std::string(narrow.data, narrow.data + narrow.bytes), "abcdef");
}

TEST(SafetensorsStream, LeavesNoFileThatLoadsWhenItIsNotFinished) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("a.safetensors");
  {
    absl::StatusOr<SafetensorsStream> stream = SafetensorsStream::Create(path, kTwoTensors, {});
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(stream->Append(AsBytes("01234567")).ok());
    EXPECT_THAT(MessageOf(stream->Finish()), HasSubstr("8 bytes of tensors were written, its header promises 14"));
  }
  EXPECT_FALSE(SafetensorsReader::Open(path).ok());
}

TEST(SafetensorsStream, OverwritesNothing) {
  const TemporaryFolder folder;
  WriteFile(folder.Path("a.safetensors"), "precious");
  EXPECT_EQ(SafetensorsStream::Create(folder.Path("a.safetensors"), {}, {}).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(folder.Path("a.safetensors")), "precious");
}

TEST(SafetensorsStream, FollowsNoLink) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/null", folder.Path("a.safetensors"));
  EXPECT_EQ(SafetensorsStream::Create(folder.Path("a.safetensors"), {}, {}).status().code(),
            absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace videodiffcr
