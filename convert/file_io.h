// Writing to files so that an error is a Status with the path and the system's reason.
#ifndef VIDEODIFFCR_CONVERT_FILE_IO_H_
#define VIDEODIFFCR_CONVERT_FILE_IO_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace videodiffcr {

// A new file for writing; AlreadyExists when it is there. The caller closes it.
absl::StatusOr<int> CreateFile(const std::string& path);

// All of `bytes`, however many calls the system needs. ResourceExhausted when the disk is full.
absl::Status WriteAll(int file, absl::Span<const uint8_t> bytes, const std::string& path);

// Syncs to disk and closes `file`, also on failure.
absl::Status SyncAndClose(int file, const std::string& path);

// CreateFile(), WriteAll() and SyncAndClose() in one.
absl::Status WriteNewFile(const std::string& path, absl::Span<const uint8_t> bytes);

// Makes renames and new names inside the folder durable.
absl::Status SyncFolder(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_FILE_IO_H_
