#include "model/weights/safetensors_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

namespace {

absl::Status SystemError(const std::string& path, const char* what) {
  const int code = errno;
  const absl::StatusCode status_code =
      code == ENOSPC || code == EDQUOT ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable;
  return absl::Status(status_code, absl::StrCat(path, ": ", what, ": ", strerror(code)));
}

absl::Status WriteAll(int file, const std::string& path, const void* data, size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = write(file, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "cannot be written");
    next += written;
    bytes -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

// The 8-byte length and the JSON, padded with spaces so that the data starts at a multiple of 8.
std::string FormatHeader(const std::map<std::string, TensorEntry>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const auto& [name, entry] : tensors) {
    header[name] = {{"dtype", std::string(DTypeName(entry.dtype))},
                    {"shape", entry.shape},
                    {"data_offsets", {offset, offset + entry.bytes}}};
    offset += entry.bytes;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  return length + text;
}

absl::Status WriteContents(int file, const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                           const std::map<std::string, std::string>& metadata, const TensorFeed& feed) {
  const std::string header = FormatHeader(tensors, metadata);
  if (absl::Status status = WriteAll(file, path, header.data(), header.size()); !status.ok()) return status;
  for (const auto& [name, entry] : tensors) {
    const absl::StatusOr<const void*> data = feed(name);
    if (!data.ok()) return data.status();
    absl::Status status = WriteAll(file, path, *data, static_cast<size_t>(entry.bytes));
    if (!status.ok()) return status;
  }
  if (fsync(file) != 0) return SystemError(path, "cannot be synced");
  return absl::OkStatus();
}

absl::Status CheckEntries(const std::string& path, const std::map<std::string, TensorEntry>& tensors) {
  for (const auto& [name, entry] : tensors) {
    int64_t bytes = DTypeBytes(entry.dtype);
    for (const int64_t size : entry.shape) bytes *= size;
    if (name.empty() || name == "__metadata__" || bytes != entry.bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor \"", name, "\": ", entry.bytes, " bytes; its shape and type need ", bytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  return WriteSafetensors(path, tensors, metadata,
                          [&](const std::string& name) { return tensors.find(name)->second.data; });
}

absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                              const std::map<std::string, std::string>& metadata, const TensorFeed& feed) {
  if (absl::Status status = CheckEntries(path, tensors); !status.ok()) return status;
  // Beside the target, because a rename is atomic only inside one file system.
  std::string temporary = path + ".XXXXXX";
  const int file = mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) return SystemError(temporary, "cannot be created");
  absl::Status status = WriteContents(file, temporary, tensors, metadata, feed);
  if (status.ok() && fchmod(file, 0644) != 0) status = SystemError(temporary, "cannot be made readable");
  if (close(file) != 0) status.Update(SystemError(temporary, "cannot be closed"));
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = SystemError(path, "cannot be renamed to");
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace videodiffcr
