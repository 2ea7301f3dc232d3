// Ctrl-C and SIGTERM as an ordinary function call on an ordinary thread.
#ifndef VIDEODIFFCR_CLIENT_INTERRUPT_H_
#define VIDEODIFFCR_CLIENT_INTERRUPT_H_

#include <atomic>
#include <functional>
#include <thread>

#include "absl/time/time.h"

namespace videodiffcr {

// Keeps SIGINT and SIGTERM from ending the process: for a command that takes them itself, since others they are to end.
// Call it before any thread starts, since threads inherit it.
void BlockInterrupts();

// Blocks them, as above, and calls `on_interrupt` on its own thread at the first signal. The process ends the hard way
// when it answers that there is nothing to bring to an end (false), at a second signal, and when `is_stuck` says, once
// `patience` has passed, that what was to end has not: it may wait for a pipe that nobody reads.
class InterruptWatcher {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(5);

  InterruptWatcher(std::function<bool()> on_interrupt, std::function<bool()> is_stuck,
                   absl::Duration patience = kPatience);
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  bool interrupted() const { return interrupted_; }

 private:
  void Watch();

  const std::function<bool()> on_interrupt_;
  const std::function<bool()> is_stuck_;
  const absl::Duration patience_;
  std::atomic<bool> interrupted_ = false;
  std::thread thread_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_INTERRUPT_H_
