// The end of the process, whatever is stuck in it.
#ifndef VIDEODIFFCR_SERVER_EXIT_TIMER_H_
#define VIDEODIFFCR_SERVER_EXIT_TIMER_H_

#include "absl/time/time.h"

namespace videodiffcr {

// The process ends with exit status 1 after `delay`, unless it has ended before. A timer of the kernel, not a thread:
// where memory or threads are what is missing, there would be none to start. Takes SIGALRM and ITIMER_REAL. Whoever
// calls it again sets it anew.
void EndProcessAfter(absl::Duration delay);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_EXIT_TIMER_H_
