// Any bytes as a zip archive of torch.save: the directory, and what every entry's bytes and checksum are.
#include <cstddef>
#include <cstdint>

#include "convert/weight_file.h"
#include "convert/zip_archive.h"
#include "convert/zip_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<videodiffcr::ZipArchive> archive = videodiffcr::OpenZipArchive({data, size}, "fuzz.pth");
  if (!archive.ok()) return 0;
  for (const auto& [name, entry] : archive->entries) {
    videodiffcr::CheckZipEntry(*archive, name).IgnoreError();
    videodiffcr::ReadZipEntry(*archive, name, /*max_bytes=*/1 << 20).status().IgnoreError();
  }
  videodiffcr::ReadTorchArchive(*archive, {"generator_ema"}, /*entry_required=*/false).status().IgnoreError();
  return 0;
}
