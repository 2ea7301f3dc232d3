// A folder that appears under its name only when it is complete.
#ifndef VIDEODIFFCR_CONVERT_PARTIAL_FOLDER_H_
#define VIDEODIFFCR_CONVERT_PARTIAL_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr {

// Files are written into "<final path>.partial". Commit() syncs and renames it; without Commit() the destructor removes
// it. A killed process leaves the partial folder, which the next Create() takes over.
class PartialFolder {
 public:
  // `file_names`: all that may be written. AlreadyExists when the final folder is there, or when the partial one holds
  // other files than these; Aborted when another process is writing it. Files of an interrupted run are removed.
  static absl::StatusOr<PartialFolder> Create(const std::string& final_path,
                                              const std::vector<std::string>& file_names);

  PartialFolder(PartialFolder&& other) noexcept;
  PartialFolder& operator=(PartialFolder&&) = delete;
  ~PartialFolder();

  const std::string& path() const { return path_; }

  // The folder must not be written to afterwards.
  absl::Status Commit();

 private:
  PartialFolder() = default;
  absl::Status Lock();
  absl::Status RemoveFiles() const;

  std::string final_path_;
  std::string path_;
  std::vector<std::string> file_names_;
  int lock_ = -1;  // the folder, opened and locked; -1 once committed or moved from
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PARTIAL_FOLDER_H_
