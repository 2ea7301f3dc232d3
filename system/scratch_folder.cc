#include "system/scratch_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<ScratchFolder> ScratchFolder::Make(absl::string_view name) {
  std::error_code error;
  const std::filesystem::path place = std::filesystem::temp_directory_path(error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("there is no folder for temporary files: ", error.message(),
                                               "; name one that exists with TMPDIR"));
  }
  std::string path = absl::StrCat((place / "").string(), name, "-XXXXXX");
  if (mkdtemp(path.data()) != nullptr) return ScratchFolder(std::move(path));
  return absl::UnavailableError(absl::StrCat("cannot make a folder in ", place.string(), ": ", std::strerror(errno),
                                             "; name another for temporary files with TMPDIR"));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace videodiffcr
