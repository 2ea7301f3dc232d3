// The header of a safetensors file: JSON that says where each tensor lies. Apart from the file so that it can be
// fuzzed.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_HEADER_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

inline constexpr int64_t kMaxSafetensorsHeaderBytes = int64_t{16} << 20;

struct SafetensorsContents {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorEntry, std::less<>> tensors;  // data points into the bytes that were parsed
};

// `file`: all bytes of the file, an 8-byte little-endian header length first. `path` is only for messages. Everything
// that SafetensorsReader::Open() promises is checked here. Memory taken is bounded by the header's length.
absl::StatusOr<SafetensorsContents> ParseSafetensors(std::string_view file, const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_HEADER_H_
