// What the allocator does with memory that is given back.
#ifndef VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_
#define VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_

namespace videodiffcr {

// From now on up to 32 MiB that a thread's part of the heap has free at its end stay there, and blocks up to that size
// come from it. By default blocks like a chunk of large pictures go back to the kernel each time, and whoever asks for
// one again pays a page fault and the clearing of every page. malloc_trim() gives back what is free all the same.
void KeepFreedMemory();

// From now on the heap has as many parts as there are processors, but two at least, where glibc would have eight times
// as many: of each part some pages stay behind what has come and gone, since a few bytes in use hold a page, and
// malloc_trim() cannot give those back. For programs with more threads than processors; before the first of them.
void BoundHeapParts();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_KEPT_MEMORY_H_
