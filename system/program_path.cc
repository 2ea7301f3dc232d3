#include "system/program_path.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<std::string> PathOfThisProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot find this program's folder: ", error.message()));
  return self.string();
}

absl::StatusOr<std::string> FolderOfThisProgram() {
  const absl::StatusOr<std::string> path = PathOfThisProgram();
  if (!path.ok()) return path.status();
  return std::filesystem::path(*path).parent_path().string();
}

}  // namespace videodiffcr
