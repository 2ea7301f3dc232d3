// The unpacked bytes of an archive's entries, deflated or stored.
#ifndef VIDEODIFFCR_CONVERT_ZIP_ENTRY_H_
#define VIDEODIFFCR_CONVERT_ZIP_ENTRY_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "convert/zip_archive.h"
#include "system/mapped_file.h"

namespace videodiffcr {

// A small entry, whole and with its checksum compared. InvalidArgument when it unpacks to more than `max_bytes`,
// DataLoss when it is damaged.
absl::StatusOr<std::string> ReadZipEntry(const ZipArchive& archive, absl::string_view name, uint64_t max_bytes);

// A large deflated entry, unpacked into a file in `folder` that has no name any more when this returns: its bytes take
// disk and not memory, and are gone with the mapping. The checksum is compared. The entry must not unpack to nothing.
// Packed bytes that were read are handed to `release`. DataLoss when it is damaged; ResourceExhausted when the disk is
// full.
absl::StatusOr<MappedFile> UnpackZipEntry(const ZipArchive& archive, absl::string_view name, const std::string& folder,
                                          const PieceRelease& release = nullptr);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_ZIP_ENTRY_H_
