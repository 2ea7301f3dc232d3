#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/weights/safetensors_header.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::string FileBytes(const std::string& header, size_t data_bytes) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>((uint64_t{header.size()} >> (8 * i)) & 0xff);
  return bytes + header + std::string(data_bytes, 'x');
}

std::string ErrorOf(const std::string& file) {
  const absl::StatusOr<SafetensorsContents> contents = ParseSafetensors(file, "bad.safetensors");
  EXPECT_EQ(contents.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(contents.status().message()), HasSubstr("bad.safetensors"));
  return std::string(contents.status().message());
}

std::string ErrorOfHeader(const std::string& header, size_t data_bytes = 16) {
  return ErrorOf(FileBytes(header, data_bytes));
}

constexpr char kGoodHeader[] = R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"U8","shape":[2,4],"data_offsets":[8,16]}})";

TEST(Safetensors, AGoodFileGivesItsTensorsAndMetadata) {
  const std::string file = FileBytes(kGoodHeader, 16);
  const absl::StatusOr<SafetensorsContents> contents = ParseSafetensors(file, "good");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->metadata.at("k"), "v");
  EXPECT_EQ(contents->tensors.at("b").shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(contents->tensors.at("b").data - contents->tensors.at("a").data, 8);
  EXPECT_EQ(contents->tensors.at("a").elements(), 2);
}

TEST(Safetensors, EmptyTensorsAndScalarsAreFine) {
  const std::string file = FileBytes(R"({"e":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]},)"
                                     R"("s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})",
                                     8);
  const absl::StatusOr<SafetensorsContents> contents = ParseSafetensors(file, "good");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->tensors.at("s").elements(), 1);
  EXPECT_EQ(contents->tensors.at("e").elements(), 0);
}

TEST(Safetensors, EveryTruncationIsAnErrorThatNamesTheFile) {
  const std::string file = FileBytes(kGoodHeader, 16);
  for (size_t bytes = 0; bytes < file.size(); ++bytes) ErrorOf(file.substr(0, bytes));
}

TEST(Safetensors, TruncatedDataNamesTheTensor) {
  EXPECT_THAT(ErrorOfHeader(kGoodHeader, 15), HasSubstr("tensor b: data_offsets [8,16] leave the file"));
}

TEST(Safetensors, DataThatBelongsToNoTensorIsAnError) {
  EXPECT_THAT(ErrorOfHeader(kGoodHeader, 17), HasSubstr("1 bytes after the last tensor"));
}

TEST(Safetensors, AHeaderLongerThanTheLimitOrTheFileIsAnError) {
  std::string file = FileBytes("{}", 0);
  std::memset(file.data(), 0xff, 8);
  EXPECT_THAT(ErrorOf(file), HasSubstr("at most 16777216"));
  std::memset(file.data(), 0, 8);
  file[1] = 1;
  EXPECT_THAT(ErrorOf(file), HasSubstr("truncated"));
}

TEST(Safetensors, OverlapsAndHolesNameTheTensor) {
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                            R"("b":{"dtype":"U8","shape":[12],"data_offsets":[4,16]}})"),
              HasSubstr("tensor b: overlaps"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                            R"("b":{"dtype":"U8","shape":[7],"data_offsets":[9,16]}})"),
              HasSubstr("tensor b: leaves a hole of 1 bytes"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},)"
                            R"("b":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})"),
              HasSubstr("tensor b: overlaps"));
}

TEST(Safetensors, LyingShapesAndTypesNameTheTensor) {
  const auto header = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_THAT(ErrorOfHeader(header("F32", "[5]", "[0,16]")), HasSubstr("tensor a: shape [5] of F32 needs 20 bytes"));
  EXPECT_THAT(ErrorOfHeader(header("F16", "[4]", "[0,16]")), HasSubstr("needs 8 bytes, but data_offsets give 16"));
  EXPECT_THAT(ErrorOfHeader(header("F33", "[4]", "[0,16]")), HasSubstr("tensor a: unknown dtype F33"));
  // 2^32 * 2^32 * 4 wraps to 0 in 64 bits.
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4294967296,4294967296]", "[0,0]"), 0), HasSubstr("more than 2^63"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4]", "[16,0]")), HasSubstr("run backwards"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4]", "[0,9223372036854775807]")), HasSubstr("leave the file"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4]", "[0,18446744073709551615]")), HasSubstr("beyond 63 bits"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[-4]", "[0,16]")), HasSubstr("negative"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4.0]", "[0,16]")), HasSubstr("not whole"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[[4]]", "[0,16]")), HasSubstr("an array where none belongs"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[4]", "[0,16,16]")), HasSubstr("two numbers"));
  EXPECT_THAT(ErrorOfHeader(header("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]")), HasSubstr("more than 8"));
}

TEST(Safetensors, DuplicateUnknownAndMissingFieldsNameTheTensor) {
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},)"
                            R"("a":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})"),
              HasSubstr("tensor a: appears twice"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","dtype":"U8","shape":[16],"data_offsets":[0,16]}})"),
              HasSubstr("tensor a: dtype appears twice"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[16],"data_offsets":[0,16],"z":1}})"),
              HasSubstr("tensor a: unknown field z"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":{"dtype":"U8","shape":[16]}})"), HasSubstr("tensor a: must have dtype"));
  EXPECT_THAT(ErrorOfHeader(R"({"a":null})"), HasSubstr("tensor a: null"));
  EXPECT_THAT(ErrorOfHeader(R"({"__metadata__":{"k":"v","k":"w"}})", 0), HasSubstr("key k appears twice"));
  EXPECT_THAT(ErrorOfHeader(R"({"__metadata__":{"k":1}})", 0), HasSubstr("a number"));
}

TEST(Safetensors, WhatIsNotAHeaderIsAnError) {
  EXPECT_THAT(ErrorOfHeader("", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOfHeader("[]", 0), HasSubstr("array"));
  EXPECT_THAT(ErrorOfHeader("{} {}", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOfHeader("{\"a\xff\":1}", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOfHeader(std::string(1 << 20, '['), 0), HasSubstr("array"));
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "{\"a\":";
  EXPECT_THAT(ErrorOfHeader(nested, 0), HasSubstr("unknown field a"));
}

// A few bytes of header would be some hundred of memory, several times.
TEST(Safetensors, MoreTensorsOrMetadataThanAnyModelHasIsAnError) {
  const auto header = [](int tensors, int keys) {
    std::string text = R"({"__metadata__":{)";
    for (int i = 0; i < keys; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
    text += "}";
    for (int i = 0; i < tensors; ++i) {
      text += ",\"t" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    }
    return text + "}";
  };
  EXPECT_TRUE(ParseSafetensors(FileBytes(header(65536, 65536), 0), "good").ok());
  EXPECT_THAT(ErrorOfHeader(header(65537, 0), 0), HasSubstr("tensor t65536: one more than the 65536 that are read"));
  EXPECT_THAT(ErrorOfHeader(header(0, 65537), 0), HasSubstr("tensor __metadata__: more than 65536 keys"));
}

TEST(Safetensors, ABytewiseDamagedFileEitherFailsOrStaysInsideItself) {
  const std::string file = FileBytes(kGoodHeader, 16);
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = file;
    for (int i = 0; i < 1 + round % 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    const absl::StatusOr<SafetensorsContents> contents = ParseSafetensors(damaged, "damaged");
    if (!contents.ok()) continue;
    const auto* begin = reinterpret_cast<const uint8_t*>(damaged.data());
    for (const auto& [name, entry] : contents->tensors) {
      EXPECT_GE(entry.data, begin);
      EXPECT_LE(entry.data + entry.bytes, begin + damaged.size());
    }
  }
}

TEST(Safetensors, WhatIsWrittenReadsBackAndLeavesNoTemporaryFile) {
  const std::string folder = ::testing::TempDir() + "/safetensors_test_" + std::to_string(getpid());
  ASSERT_EQ(system(("mkdir -p " + folder).c_str()), 0);
  const float values[3] = {1.5f, -2.0f, 0.25f};
  TensorEntry entry{DType::kF32, {3, 1}, reinterpret_cast<const uint8_t*>(values), sizeof(values)};
  const std::string path = folder + "/file.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, {{"x", entry}, {"y", entry}}, {{"config", "{\"a\": 1}"}}).ok());

  const absl::StatusOr<SafetensorsReader> reader = SafetensorsReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->metadata().at("config"), "{\"a\": 1}");
  const absl::StatusOr<TensorEntry> read = reader->Find("y", {3, 1});
  ASSERT_TRUE(read.ok()) << read.status();
  float found[3] = {};
  std::memcpy(found, read->data, sizeof(found));
  EXPECT_THAT(found, ElementsAreArray(values));
  EXPECT_THAT(std::string(reader->Find("y", {3}).status().message()),
              HasSubstr("tensor y has shape [3,1]; must be [3]"));
  EXPECT_EQ(reader->Find("z").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(system(("test $(ls " + folder + " | wc -l) = 1 && rm -r " + folder).c_str()), 0);
}

TEST(Safetensors, AWriteIntoNowhereNamesThePath) {
  const absl::Status status = WriteSafetensors("/nowhere/file.safetensors", {}, {});
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/file.safetensors"));
}

TEST(Safetensors, AnEntryWhoseBytesDoNotFitItsShapeIsNotWritten) {
  const TensorEntry entry{DType::kF32, {3}, nullptr, 8};
  EXPECT_EQ(WriteSafetensors("/tmp/never", {{"x", entry}}, {}).code(), absl::StatusCode::kInvalidArgument);
}

// Its tensors lie behind the header's promise: reading them ended the process.
TEST(Safetensors, AFileThatBecomesShorterBehindAnOpenReaderIsDataLoss) {
  const std::string path = ::testing::TempDir() + "/shortened_" + std::to_string(getpid()) + ".safetensors";
  const std::vector<uint8_t> values(1 << 16, 7);
  ASSERT_TRUE(WriteSafetensors(path, {{"x", {DType::kU8, {1 << 16}, values.data(), 1 << 16}}}, {}).ok());
  const SafetensorsReader reader = *SafetensorsReader::Open(path);
  EXPECT_EQ(reader.CheckWhole(), absl::OkStatus());
  ASSERT_EQ(truncate(path.c_str(), 1 << 12), 0);
  const TensorEntry entry = *reader.Find("x");
  EXPECT_NE(std::memcmp(entry.data, values.data(), values.size()), 0);
  EXPECT_EQ(reader.CheckWhole().code(), absl::StatusCode::kDataLoss);
  unlink(path.c_str());
}

TEST(Safetensors, AFolderOrAMissingFileIsAnError) {
  EXPECT_THAT(std::string(SafetensorsReader::Open("/tmp").status().message()), HasSubstr("not a regular file"));
  EXPECT_EQ(SafetensorsReader::Open("/nowhere").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace videodiffcr
