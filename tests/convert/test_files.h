// What the tests of this folder share: messages, bytes, tensors, files, and the values that testdata/make_testdata.py
// writes.
#ifndef VIDEODIFFCR_TESTS_CONVERT_TEST_FILES_H_
#define VIDEODIFFCR_TESTS_CONVERT_TEST_FILES_H_

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/weight_file.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {

inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }
template <typename T>
std::string MessageOf(const absl::StatusOr<T>& result) {
  return MessageOf(result.status());
}

inline absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A tensor of a file that holds `values`, which must outlive it.
template <typename T>
SourceTensor SourceOf(const std::vector<T>& values, DType dtype, std::vector<int64_t> shape) {
  return {.dtype = dtype,
          .shape = std::move(shape),
          .bytes = {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)}};
}

inline std::string TestDataPath(const std::string& name) {
  const char* root = std::getenv("VIDEODIFFCR_SOURCE_DIR");
  return std::string(root == nullptr ? "." : root) + "/tests/convert/testdata/" + name;
}

inline void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Fill() of make_testdata.py: element i of the tensor `name`, before it is rounded to its type.
inline float FillValue(std::string_view name, uint64_t i) {
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  uint32_t u = static_cast<uint32_t>(i * 2654435761u + hash);
  u ^= u >> 16;
  u *= 0x85ebca6bu;
  u ^= u >> 13;
  u *= 0xc2b2ae35u;
  u ^= u >> 16;
  return static_cast<float>(2.0 * u / 4294967296.0 - 1.0);
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_CONVERT_TEST_FILES_H_
