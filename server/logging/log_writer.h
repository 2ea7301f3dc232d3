// Lines on their way to a file that may be slow, stuck or gone: a pipe whose reader was stopped, a full disk.
#ifndef VIDEODIFFCR_SERVER_LOGGING_LOG_WRITER_H_
#define VIDEODIFFCR_SERVER_LOGGING_LOG_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace videodiffcr {

// Thread-safe; no method waits for the file. One thread of its own writes, line by line. At most `max_lines` wait for
// it; further ones are dropped and counted, as are those that the file does not take, and the next line that gets
// through says how many.
class LogWriter {
 public:
  static constexpr size_t kMaxLineBytes = 4096;  // the rest of a longer line is cut

  // `file` stays the caller's and stays open for as long as the process lives.
  LogWriter(int file, size_t max_lines);
  // Waits a moment for what was written; the thread leaves as soon as the file lets it.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // `line` without its line break.
  void Write(std::string line);

  int64_t dropped() const;

  // Until every line written so far is in the file or dropped, or until `timeout` has passed.
  void Flush(absl::Duration timeout);

 private:
  struct State;
  // Shared with the thread, which may be stuck in the file when this goes.
  const std::shared_ptr<State> state_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_LOG_WRITER_H_
