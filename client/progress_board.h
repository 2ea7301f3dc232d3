// The lines that tell how several generations are going, side by side.
#ifndef VIDEODIFFCR_CLIENT_PROGRESS_BOARD_H_
#define VIDEODIFFCR_CLIENT_PROGRESS_BOARD_H_

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "client/progress_line.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe. On a terminal a block of lines, one for each that is under way, written over and over, below what stays;
// elsewhere a line a second of each.
class ProgressBoard {
 public:
  // `out` outlives this object.
  ProgressBoard(std::ostream* out, bool terminal) : out_(*out), terminal_(terminal) {}

  // A line that begins with `name`, and is there until End(). Of one thread; the board outlives it.
  std::unique_ptr<ProgressSink> AddLine(std::string name);

 private:
  class Line;

  void Show(const std::string& name, std::string_view text) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(const std::string& name, std::string_view text) ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);
  // What stays, then the lines under way.
  void Draw(std::string_view kept) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::ostream& out_;
  const bool terminal_;
  Mutex mutex_;
  std::map<std::string, std::string> under_way_ ABSL_GUARDED_BY(mutex_);  // texts by name
  size_t drawn_ ABSL_GUARDED_BY(mutex_) = 0;                              // lines that can be written over
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_PROGRESS_BOARD_H_
