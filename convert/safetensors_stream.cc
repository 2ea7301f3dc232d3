#include "convert/safetensors_stream.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "convert/file_io.h"

namespace videodiffcr {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

// The JSON header with its length in front, padded with spaces so that the data starts at a multiple of 8.
std::string FormatHeader(const std::vector<StreamedTensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const StreamedTensor& tensor : tensors) {
    const int64_t end = offset + StreamedBytes(tensor);
    header[tensor.name] = {
        {"dtype", std::string(DTypeName(tensor.dtype))}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Replacing bad UTF-8 (of a file name in the metadata) is better than an exception.
  std::string json = header.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const uint64_t length = json.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof(length));
  return text.append(json);
}

}  // namespace

int64_t StreamedBytes(const StreamedTensor& tensor) {
  int64_t bytes = DTypeBytes(tensor.dtype);
  for (const int64_t size : tensor.shape) bytes *= size;
  return bytes;
}

absl::StatusOr<SafetensorsStream> SafetensorsStream::Create(const std::string& path,
                                                            const std::vector<StreamedTensor>& tensors,
                                                            const std::map<std::string, std::string>& metadata) {
  const absl::StatusOr<int> file = CreateFile(path);
  if (!file.ok()) return file.status();
  SafetensorsStream stream;
  stream.path_ = path;
  stream.file_ = *file;
  for (const StreamedTensor& tensor : tensors) stream.promised_bytes_ += StreamedBytes(tensor);
  const std::string header = FormatHeader(tensors, metadata);
  absl::Status status = WriteAll(*file, {reinterpret_cast<const uint8_t*>(header.data()), header.size()}, path);
  if (!status.ok()) return status;
  return stream;
}

SafetensorsStream::SafetensorsStream(SafetensorsStream&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      promised_bytes_(other.promised_bytes_),
      appended_bytes_(other.appended_bytes_),
      buffer_(std::move(other.buffer_)) {}

SafetensorsStream::~SafetensorsStream() {
  if (file_ >= 0) close(file_);
}

absl::Status SafetensorsStream::Append(absl::Span<const uint8_t> bytes) {
  appended_bytes_ += static_cast<int64_t>(bytes.size());
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status SafetensorsStream::Flush() {
  absl::Status status = WriteAll(file_, buffer_, path_);
  buffer_.clear();
  return status;
}

absl::Status SafetensorsStream::Finish() {
  if (appended_bytes_ != promised_bytes_) {
    return absl::FailedPreconditionError(absl::StrCat(
        path_, ": ", appended_bytes_, " bytes of tensors were written, its header promises ", promised_bytes_));
  }
  absl::Status status = Flush();
  status.Update(SyncAndClose(std::exchange(file_, -1), path_));
  return status;
}

}  // namespace videodiffcr
