// Signals that are waited for, not handled: all threads block them, and one takes them as they come.
#ifndef VIDEODIFFCR_SYSTEM_SIGNALS_H_
#define VIDEODIFFCR_SYSTEM_SIGNALS_H_

#include <signal.h>

#include <initializer_list>

#include "absl/time/time.h"

namespace videodiffcr {

sigset_t SignalSet(std::initializer_list<int> signals);

// By which people (Ctrl-C) and supervisors end a program: SIGINT and SIGTERM.
sigset_t StopSignals();

// In the calling thread, and in those that it starts from now on. Call it in main(), before any other thread runs.
void BlockSignals(const sigset_t& signals);

// In the calling thread: from now on they do what they do by themselves.
void UnblockSignals(const sigset_t& signals);

// Waits for one of `signals`, which the calling thread has blocked; false when none came within `time`.
bool TakeSignal(const sigset_t& signals, absl::Duration time);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_SIGNALS_H_
