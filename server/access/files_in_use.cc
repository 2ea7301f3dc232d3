#include "server/access/files_in_use.h"

#include <sys/stat.h>

namespace videodiffcr {

// Follows links, as Kubernetes lays its secrets.
FilesInUse::Stamp FilesInUse::StampOf(const std::string& path) {
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
}

absl::Status FilesInUse::ReadIfChanged(absl::FunctionRef<absl::Status()> read) {
  // Before they are read: a change while that lasts is found next time.
  std::vector<Stamp> stamps;
  for (const std::string& path : paths_) stamps.push_back(StampOf(path));
  {
    MutexLock lock(&mutex_);
    if (stamps == stamps_) {
      complaint_.clear();
      return absl::OkStatus();
    }
  }
  absl::Status status = read();
  MutexLock lock(&mutex_);
  if (status.ok()) stamps_ = std::move(stamps);
  const std::string told = std::exchange(complaint_, std::string(status.message()));
  return told == complaint_ ? absl::OkStatus() : status;
}

}  // namespace videodiffcr
