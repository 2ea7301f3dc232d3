#include "convert/partial_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "convert/file_io.h"

namespace videodiffcr {

absl::StatusOr<PartialFolder> PartialFolder::Create(const std::string& final_path,
                                                    const std::vector<std::string>& file_names) {
  PartialFolder folder;
  folder.final_path_ = final_path;
  while (folder.final_path_.size() > 1 && folder.final_path_.back() == '/') folder.final_path_.pop_back();
  folder.path_ = folder.final_path_ + ".partial";
  folder.file_names_ = file_names;
  struct stat info {};
  if (lstat(folder.final_path_.c_str(), &info) == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat(folder.final_path_, " exists; nothing is overwritten: name another folder"));
  }
  if (mkdir(folder.path_.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create folder ", folder.path_));
  }
  if (absl::Status status = folder.Lock(); !status.ok()) return status;
  if (absl::Status status = folder.RemoveFiles(); !status.ok()) {
    close(std::exchange(folder.lock_, -1));  // the folder is not ours to remove
    return status;
  }
  return folder;
}

PartialFolder::PartialFolder(PartialFolder&& other) noexcept
    : final_path_(std::move(other.final_path_)),
      path_(std::move(other.path_)),
      file_names_(std::move(other.file_names_)),
      lock_(std::exchange(other.lock_, -1)) {}

PartialFolder::~PartialFolder() {
  if (lock_ < 0) return;
  if (RemoveFiles().ok()) rmdir(path_.c_str());
  close(lock_);
}

absl::Status PartialFolder::Lock() {
  // The lock goes with the process, so a killed one leaves none behind.
  const int folder = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open folder ", path_));
  if (flock(folder, LOCK_EX | LOCK_NB) != 0) {
    close(folder);
    return absl::AbortedError(absl::StrCat(path_, " is being written by another process"));
  }
  lock_ = folder;
  return absl::OkStatus();
}

absl::Status PartialFolder::RemoveFiles() const {
  std::error_code error;
  for (const std::filesystem::directory_entry& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename();
    if (std::find(file_names_.begin(), file_names_.end(), name) == file_names_.end()) {
      return absl::AlreadyExistsError(
          absl::StrCat(path_, " holds ", name, ", which no conversion wrote; remove it first"));
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", path_));
  for (const std::string& name : file_names_) {
    const std::string file = absl::StrCat(path_, "/", name);
    if (unlink(file.c_str()) != 0 && errno != ENOENT)
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", file));
  }
  return absl::OkStatus();
}

absl::Status PartialFolder::Commit() {
  if (absl::Status status = SyncFolder(path_); !status.ok()) return status;
  if (rename(path_.c_str(), final_path_.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot rename ", path_, " to ", final_path_));
  }
  close(std::exchange(lock_, -1));
  const std::string parent = std::filesystem::path(final_path_).parent_path();
  return SyncFolder(parent.empty() ? "." : parent);
}

}  // namespace videodiffcr
