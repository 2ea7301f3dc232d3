// A folder of a program's own among the temporary files.
#ifndef VIDEODIFFCR_SYSTEM_SCRATCH_FOLDER_H_
#define VIDEODIFFCR_SYSTEM_SCRATCH_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// Gone, with what is in it, when this is.
class ScratchFolder {
 public:
  // Where TMPDIR says, else in /tmp; `name` begins its name. Unavailable, with the system's reason and what to do, when
  // there is no place for it.
  static absl::StatusOr<ScratchFolder> Make(absl::string_view name);

  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: another has it now
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_SCRATCH_FOLDER_H_
