// Memory that matrix products read and write.
//
// Note: [Aligned memory]. BLAS picks its code by the alignment of its operands, and another code path may round
// differently. Buffers that start on a cache line, with fixed offsets inside, make a product's bits depend on its
// operands alone.
#ifndef VIDEODIFFCR_MODEL_CPU_FLOAT_BUFFER_H_
#define VIDEODIFFCR_MODEL_CPU_FLOAT_BUFFER_H_

#include <cstddef>
#include <new>
#include <vector>

namespace videodiffcr::cpu {

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}  // NOLINT: allocators convert

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* pointer, std::size_t) { ::operator delete(pointer, kAlignment); }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

using FloatBuffer = std::vector<float, CacheLineAllocator<float>>;

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_FLOAT_BUFFER_H_
