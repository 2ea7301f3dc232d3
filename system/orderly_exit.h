// The end of a process that cannot go on and cannot say whose fault it is.
#ifndef VIDEODIFFCR_SYSTEM_ORDERLY_EXIT_H_
#define VIDEODIFFCR_SYSTEM_ORDERLY_EXIT_H_

namespace videodiffcr {

// From now on an exception that nobody catches, on whichever thread, and an abort() in a library (gRPC's answer to lost
// memory) end the process with one line on standard error and exit status 1, so that whoever started it starts another.
// `program` outlives the process. Nothing is given back: a thread may hold what that would need.
void ExitOnUnattributableFailures(const char* program);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_ORDERLY_EXIT_H_
