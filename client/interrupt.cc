#include "client/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "system/signals.h"

namespace videodiffcr {
namespace {

// Wakes the watcher when it is to end; blocked like the others, so it never does anything else.
constexpr int kWakeSignal = SIGUSR1;

sigset_t WatchedSignals() { return SignalSet({SIGINT, SIGTERM, kWakeSignal}); }

}  // namespace

void BlockInterrupts() { BlockSignals(WatchedSignals()); }

InterruptWatcher::InterruptWatcher(std::function<bool()> on_interrupt, std::function<bool()> is_stuck,
                                   absl::Duration patience)
    : on_interrupt_(std::move(on_interrupt)), is_stuck_(std::move(is_stuck)), patience_(patience) {
  BlockInterrupts();  // sigwait() wants them blocked in the thread that inherits this mask
  thread_ = std::thread(&InterruptWatcher::Watch, this);
}

InterruptWatcher::~InterruptWatcher() {
  pthread_kill(thread_.native_handle(), kWakeSignal);
  thread_.join();
}

void InterruptWatcher::Watch() {
  const sigset_t signals = WatchedSignals();
  const timespec patience = absl::ToTimespec(patience_);
  int first = 0;
  while (true) {
    const int signal = sigtimedwait(&signals, nullptr, first == 0 ? nullptr : &patience);
    if (signal == kWakeSignal) return;
    if (signal < 0) {
      if (errno == EAGAIN && is_stuck_()) _exit(128 + first);
      continue;
    }
    if (interrupted_.exchange(true) || !on_interrupt_()) _exit(128 + signal);
    first = signal;
  }
}

}  // namespace videodiffcr
