#include "client/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "system/signals.h"

namespace videodiffcr {
namespace {

// Wakes the watcher when it is to end; blocked like the others, so it never does anything else.
constexpr int kWakeSignal = SIGUSR1;

sigset_t WatchedSignals() { return SignalSet({SIGINT, SIGTERM, kWakeSignal}); }

}  // namespace

void BlockInterrupts() { BlockSignals(WatchedSignals()); }

InterruptWatcher::InterruptWatcher(std::function<bool()> on_interrupt) : on_interrupt_(std::move(on_interrupt)) {
  BlockInterrupts();  // sigwait() wants them blocked in the thread that inherits this mask
  thread_ = std::thread(&InterruptWatcher::Watch, this);
}

InterruptWatcher::~InterruptWatcher() {
  pthread_kill(thread_.native_handle(), kWakeSignal);
  thread_.join();
}

void InterruptWatcher::Watch() {
  const sigset_t signals = WatchedSignals();
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal != kWakeSignal) {
    if (interrupted_.exchange(true) || !on_interrupt_()) _exit(128 + signal);
  }
}

}  // namespace videodiffcr
