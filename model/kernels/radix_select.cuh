// The best of many scores by one block of threads: a radix search, so that no score is moved.
#ifndef VIDEODIFFCR_MODEL_KERNELS_RADIX_SELECT_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_RADIX_SELECT_CUH_

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

namespace videodiffcr::kernels {

inline constexpr int kSelectThreads = 1024;  // of the block; all of them call what is here unless it says otherwise
inline constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;

// Unsigned integers in the order of the scores: NaN as minus infinity, both zeros equal.
__device__ inline uint32_t SortKey(float score) {
  if (isnan(score)) score = -INFINITY;
  const uint32_t bits = __float_as_uint(score + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Adds up `value` over the threads before this one; all threads of the block call it. `total` gets the whole sum.
__device__ inline int SumBefore(int value, int* total) {
  __shared__ int of_warp[kSelectThreads / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int sum = value;
  for (int offset = 1; offset < 32; offset *= 2) {
    const int other = __shfl_up_sync(0xFFFFFFFF, sum, offset);
    if (lane >= offset) sum += other;
  }
  __syncthreads();  // the last call's readers are done
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    int warps = of_warp[lane];
    for (int offset = 1; offset < 32; offset *= 2) {
      const int other = __shfl_up_sync(0xFFFFFFFF, warps, offset);
      if (lane >= offset) warps += other;
    }
    of_warp[lane] = warps;
  }
  __syncthreads();
  *total = of_warp[31];
  return sum - value + (warp == 0 ? 0 : of_warp[warp - 1]);
}

// One warp: the digit in which the `wanted` best keys end, counted from the highest; adds it to `prefix` and leaves in
// `wanted` how many keys with that digit are still among the best.
__device__ inline void FindDigit(const int* histogram, int shift, uint32_t* prefix, int* wanted) {
  constexpr int kOwn = kDigits / 32;
  const int lane = threadIdx.x, highest = kDigits - 1 - lane * kOwn;  // lanes go down the digits
  int own = 0;
  for (int i = 0; i < kOwn; ++i) own += histogram[highest - i];
  int upto = own;
  for (int offset = 1; offset < 32; offset *= 2) {
    const int other = __shfl_up_sync(0xFFFFFFFF, upto, offset);
    if (lane >= offset) upto += other;
  }
  const int count = *wanted;
  __syncwarp();
  if (upto >= count && upto - own < count) {
    int rest = count - (upto - own), digit = highest;
    while (histogram[digit] < rest) rest -= histogram[digit--];
    *prefix |= static_cast<uint32_t>(digit) << shift;
    *wanted = rest;
  }
}

// Marks the `count` best tokens of [begin, end) that are not marked yet: a radix search for the last key that gets in,
// then all keys above it and, of the equal ones, the first by number.
__device__ inline void MarkBest(const float* scores, uint8_t* marked, int begin, int end, int count) {
  __shared__ int histogram[kDigits];
  __shared__ uint32_t prefix;
  __shared__ int wanted;
  if (threadIdx.x == 0) {
    prefix = 0;
    wanted = count;
  }
  for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    for (int i = threadIdx.x; i < kDigits; i += kSelectThreads) histogram[i] = 0;
    __syncthreads();
    const uint32_t known = shift + kDigitBits == 32 ? 0 : ~0u << (shift + kDigitBits);
    for (int token = begin + threadIdx.x; token < end; token += kSelectThreads) {
      const uint32_t key = SortKey(scores[token]);
      if (!marked[token] && (key & known) == prefix) atomicAdd(&histogram[(key >> shift) % kDigits], 1);
    }
    __syncthreads();
    if (threadIdx.x < 32) FindDigit(histogram, shift, &prefix, &wanted);
    __syncthreads();
  }
  const uint32_t last = prefix;
  const int of_equal = wanted;
  int equal_before = 0;
  for (int first = begin; first < end; first += kSelectThreads) {
    const int token = first + threadIdx.x;
    const bool open = token < end && !marked[token];
    const uint32_t key = open ? SortKey(scores[token]) : 0;
    int total;
    const int rank = equal_before + SumBefore(open && key == last, &total);
    if (open && (key > last || (key == last && rank < of_equal))) marked[token] = 1;
    equal_before += total;
  }
  __syncthreads();
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_RADIX_SELECT_CUH_
