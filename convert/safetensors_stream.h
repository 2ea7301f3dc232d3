// Writes a safetensors file whose tensors are made one after the other: all names, types and shapes are known at the
// start, the values come in pieces. (model/weights/safetensors_writer.h writes tensors that already lie in memory.)
#ifndef VIDEODIFFCR_CONVERT_SAFETENSORS_STREAM_H_
#define VIDEODIFFCR_CONVERT_SAFETENSORS_STREAM_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

struct StreamedTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

// Not thread-safe. The file is synced to disk by Finish(); before that it has a full header and too few bytes, so no
// reader takes it.
class SafetensorsStream {
 public:
  // Creates the file, which must not exist, and writes the header. Data follows the order of `tensors`. Errors name the
  // path and the system's reason.
  static absl::StatusOr<SafetensorsStream> Create(const std::string& path, const std::vector<StreamedTensor>& tensors,
                                                  const std::map<std::string, std::string>& metadata);

  SafetensorsStream(SafetensorsStream&& other) noexcept;
  SafetensorsStream& operator=(SafetensorsStream&&) = delete;
  ~SafetensorsStream();

  // Appends values of the current tensor, and of the next ones when it is full.
  absl::Status Append(absl::Span<const uint8_t> bytes);
  // FailedPrecondition unless exactly the promised bytes were appended.
  absl::Status Finish();

 private:
  SafetensorsStream() = default;
  absl::Status Flush();

  std::string path_;
  int file_ = -1;
  int64_t promised_bytes_ = 0;
  int64_t appended_bytes_ = 0;
  std::vector<uint8_t> buffer_;  // collects small pieces
};

int64_t StreamedBytes(const StreamedTensor& tensor);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_SAFETENSORS_STREAM_H_
