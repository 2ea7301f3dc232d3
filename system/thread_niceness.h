// How far a thread stands back for others.
#ifndef VIDEODIFFCR_SYSTEM_THREAD_NICENESS_H_
#define VIDEODIFFCR_SYSTEM_THREAD_NICENESS_H_

namespace videodiffcr {

inline constexpr int kMostNiceness = 19;

// Moves the calling thread, and what it starts from now on, `levels` nice levels back, 0 to kMostNiceness: Linux counts
// them by thread. Threads that sleep mostly then get a processor soon after they wake, however many compute.
void StandBack(int levels);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_THREAD_NICENESS_H_
