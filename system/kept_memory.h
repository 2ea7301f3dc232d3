// What the allocator does with large blocks that are given back.
#ifndef VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_
#define VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_

namespace videodiffcr {

// From now on up to 32 MiB that a thread's part of the heap has free at its end stay there, and blocks up to that size
// come from it. By default blocks like a chunk of large pictures go back to the kernel each time, and whoever asks for
// one again pays a page fault and the clearing of every page. malloc_trim() gives back what is free all the same.
void KeepFreedMemory();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_
