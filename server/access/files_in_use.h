// Files that may change while the server runs.
#ifndef VIDEODIFFCR_SERVER_ACCESS_FILES_IN_USE_H_
#define VIDEODIFFCR_SERVER_ACCESS_FILES_IN_USE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "threading/mutex.h"

namespace videodiffcr {

// When to read files again that belong together, and when to complain about them. Thread-safe.
class FilesInUse {
 public:
  explicit FilesInUse(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // Calls `read`, without a lock, unless the files are those of its last success. It is tried each time until it
  // succeeds: what is wrong with a file may pass without the file changing. Its error comes back once for as long as
  // that is the same.
  absl::Status ReadIfChanged(absl::FunctionRef<absl::Status()> read);

 private:
  // Equal stamps: the same content, unless somebody sets times by hand. All zero when there is no such file.
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp StampOf(const std::string& path);

  const std::vector<std::string> paths_;
  Mutex mutex_;
  std::vector<Stamp> stamps_ ABSL_GUARDED_BY(mutex_);  // of the files in use; empty: none yet
  std::string complaint_ ABSL_GUARDED_BY(mutex_);      // the last that was made; empty: none since all was well
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_FILES_IN_USE_H_
