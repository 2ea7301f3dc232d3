// Ctrl-C and SIGTERM as an ordinary function call on an ordinary thread.
#ifndef VIDEODIFFCR_CLIENT_INTERRUPT_H_
#define VIDEODIFFCR_CLIENT_INTERRUPT_H_

#include <atomic>
#include <functional>
#include <thread>

namespace videodiffcr {

// Keeps SIGINT and SIGTERM from ending the process: for a command that takes them itself, since others they are to end.
// Call it before any thread starts, since threads inherit it.
void BlockInterrupts();

// Blocks them, as above, and calls `on_interrupt` on its own thread at the first signal. The process ends the hard way
// when it answers that there is nothing to bring to an end (false), and at a second signal.
class InterruptWatcher {
 public:
  explicit InterruptWatcher(std::function<bool()> on_interrupt);
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  bool interrupted() const { return interrupted_; }

 private:
  void Watch();

  const std::function<bool()> on_interrupt_;
  std::atomic<bool> interrupted_ = false;
  std::thread thread_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_INTERRUPT_H_
