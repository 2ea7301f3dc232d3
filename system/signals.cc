#include "system/signals.h"

#include <pthread.h>

#include <ctime>

namespace videodiffcr {

sigset_t SignalSet(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

sigset_t StopSignals() { return SignalSet({SIGINT, SIGTERM}); }

void BlockSignals(const sigset_t& signals) { pthread_sigmask(SIG_BLOCK, &signals, nullptr); }

void UnblockSignals(const sigset_t& signals) { pthread_sigmask(SIG_UNBLOCK, &signals, nullptr); }

bool TakeSignal(const sigset_t& signals, absl::Duration time) {
  const timespec limit = absl::ToTimespec(time);
  return sigtimedwait(&signals, nullptr, &limit) > 0;
}

}  // namespace videodiffcr
