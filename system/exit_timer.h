// The end of the process, whatever is stuck in it.
#ifndef VIDEODIFFCR_SYSTEM_EXIT_TIMER_H_
#define VIDEODIFFCR_SYSTEM_EXIT_TIMER_H_

#include "absl/time/time.h"

namespace videodiffcr {

// The process ends with exit status 1, and a line that begins with `program`, after `delay`, unless it has ended
// before. `program` stays the caller's and lives for as long as the process. A timer of the kernel, not a thread: where
// memory or threads are what is missing, there would be none to start. Takes SIGALRM and ITIMER_REAL. Whoever calls it
// again sets it anew.
void EndProcessAfter(const char* program, absl::Duration delay);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_EXIT_TIMER_H_
