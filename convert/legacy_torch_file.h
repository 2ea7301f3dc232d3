// torch.save's format from before PyTorch 1.6, which PyTorch still writes when asked
// (_use_new_zipfile_serialization=False): a row of pickles, then the storages one after the other.
#ifndef VIDEODIFFCR_CONVERT_LEGACY_TORCH_FILE_H_
#define VIDEODIFFCR_CONVERT_LEGACY_TORCH_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "convert/zip_archive.h"

namespace videodiffcr {

bool BeginsAsLegacyTorchFile(absl::Span<const uint8_t> bytes);

// The file as the archive that torch.save makes today, for ReadTorchArchive(); it has no checksums. `bytes` is the
// whole file and must outlive the result; `path` is for messages. InvalidArgument names the file and what is wrong.
absl::StatusOr<ZipArchive> OpenLegacyTorchFile(absl::Span<const uint8_t> bytes, std::string path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_LEGACY_TORCH_FILE_H_
