#include <cuda_runtime.h>

#include "model/kernels/launch.cuh"
#include "model/kernels/token_routing.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kScoreWarps = 8;
constexpr int kSelectThreads = 1024;
constexpr int kMostOwn = kMostTokens / kSelectThreads;  // of one thread
constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits, kCopies = 8;
static_assert(kMostOwn <= 32 && kDigits <= kSelectThreads);

// One warp per token; lanes share the channels.
__global__ void ScoreTokens(const __grid_constant__ RouterScoresCall call) {
  WaitForKernelBefore();
  const int token = static_cast<int>(blockIdx.x * kScoreWarps + threadIdx.x / 32), lane = threadIdx.x % 32;
  if (token >= call.tokens) return;
  const int sites = call.tokens / call.frames, to = token / sites, site = token % sites;
  float score = 0;
  for (int c = lane; c < call.width; c += 32) {
    float mixed = 0;
    for (int from = 0; from < call.frames; ++from) {
      const float channel = call.channels[(from * sites + site) * call.width + c] + call.bias[c];
      mixed += call.mix[(to * call.frames + from) * call.width + c] * channel;
    }
    score += mixed / (1.0f + __expf(-mixed)) * call.score[c];
  }
  for (int offset = 16; offset > 0; offset /= 2) score += __shfl_xor_sync(0xFFFFFFFF, score, offset);
  if (lane == 0) call.scores[token] = score;
}

// Unsigned integers in the order of the scores: NaN as minus infinity, both zeros equal.
__device__ uint32_t SortKey(float score) {
  if (isnan(score)) score = -INFINITY;
  const uint32_t bits = __float_as_uint(score + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Adds up `value` over the threads before this one; all threads of the block call it. `total` gets the whole sum.
__device__ int SumBefore(int value, int* total) {
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
__device__ void FindDigit(const int* histogram, int shift, uint32_t* prefix, int* wanted) {
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

// A thread's tokens: `count` of them from `first` on, so that tokens rise with threads.
struct OwnTokens {
  int first, count;
  uint32_t key[kMostOwn];
  uint32_t marked;  // a bit each

  __device__ bool open(int i, int begin, int end) const {
    return i < count && first + i >= begin && first + i < end && (marked >> i & 1) == 0;
  }
};

// Counts how often each digit occurs among the open keys of [begin, end) that begin with `prefix`. Digits crowd, so
// lanes count into copies of their own: adding to one place in turn would take longer than all the rest.
__device__ void CountDigits(const OwnTokens& own, int begin, int end, uint32_t known, uint32_t prefix, int shift,
                            int* histogram) {
  __shared__ int copies[kCopies][kDigits];
  for (int i = threadIdx.x; i < kCopies * kDigits; i += kSelectThreads) (&copies[0][0])[i] = 0;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kMostOwn; ++i) {
    if (!own.open(i, begin, end) || (own.key[i] & known) != prefix) continue;
    atomicAdd(&copies[threadIdx.x % kCopies][(own.key[i] >> shift) % kDigits], 1);
  }
  __syncthreads();
  if (threadIdx.x < kDigits) {
    int sum = 0;
    for (int copy = 0; copy < kCopies; ++copy) sum += copies[copy][threadIdx.x];
    histogram[threadIdx.x] = sum;
  }
  __syncthreads();
}

// Marks the `count` best tokens of [begin, end) that are not marked yet: a radix search for the last key that gets in,
// then all keys above it and, of the equal ones, the first by number.
__device__ void MarkBest(OwnTokens& own, int begin, int end, int count) {
  __shared__ int histogram[kDigits];
  __shared__ uint32_t prefix;
  __shared__ int wanted;
  if (threadIdx.x == 0) {
    prefix = 0;
    wanted = count;
  }
  __syncthreads();
  for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    const uint32_t known = shift + kDigitBits == 32 ? 0 : ~0u << (shift + kDigitBits);
    CountDigits(own, begin, end, known, prefix, shift, histogram);
    if (threadIdx.x < 32) FindDigit(histogram, shift, &prefix, &wanted);
    __syncthreads();
  }
  const uint32_t last = prefix;
  int equal = 0, total;
#pragma unroll
  for (int i = 0; i < kMostOwn; ++i) equal += own.open(i, begin, end) && own.key[i] == last;
  int left = wanted - SumBefore(equal, &total);  // of the equal ones
#pragma unroll
  for (int i = 0; i < kMostOwn; ++i) {
    if (!own.open(i, begin, end)) continue;
    if (own.key[i] > last || (own.key[i] == last && left-- > 0)) own.marked |= 1u << i;
  }
  __syncthreads();  // prefix and wanted have been read
}

__device__ void WriteChoice(const SelectTokensCall& call, const OwnTokens& own) {
  int total, place = SumBefore(__popc(own.marked), &total);
#pragma unroll
  for (int i = 0; i < kMostOwn; ++i) {
    if (i >= own.count) continue;
    const int token = own.first + i;
    const bool keep = (own.marked >> i & 1) != 0;
    if (call.place != nullptr) call.place[token] = keep ? place : -1;
    if (!keep) continue;
    call.kept[place] = token;
    if (call.gate != Gate::kNone) {
      const float sigmoid = 1.0f / (1.0f + expf(-call.scores[token]));
      call.factor[place] = call.gate == Gate::kTwoSigmoid ? 2 * sigmoid : sigmoid;
    }
    ++place;
  }
}

// One block: 16384 scores are little work, and the next kernel waits for all of it anyway.
__global__ void __launch_bounds__(kSelectThreads) SelectTokensKernel(const __grid_constant__ SelectTokensCall call) {
  WaitForKernelBefore();
  const int each = (call.tokens + kSelectThreads - 1) / kSelectThreads;
  OwnTokens own;
  own.first = static_cast<int>(threadIdx.x) * each;
  own.count = max(0, min(each, call.tokens - own.first));
  own.marked = 0;
#pragma unroll
  for (int i = 0; i < kMostOwn; ++i) own.key[i] = i < own.count ? SortKey(call.scores[own.first + i]) : 0;
  const int sites = call.tokens / call.frames;
  if (call.floor_rows > 0) {
    for (int frame = 0; frame < call.frames; ++frame) {
      MarkBest(own, frame * sites, (frame + 1) * sites, call.floor_rows);
    }
  }
  const int rest = call.kept_rows - call.frames * call.floor_rows;
  if (rest > 0) MarkBest(own, 0, call.tokens, rest);
  WriteChoice(call, own);
}

}  // namespace

void RouterScores(const RouterScoresCall& call, Stream stream) {
  LaunchEarly(ScoreTokens, (call.tokens + kScoreWarps - 1) / kScoreWarps, kScoreWarps * 32, 0, stream, call);
}

void SelectTokens(const SelectTokensCall& call, Stream stream) {
  LaunchEarly(SelectTokensKernel, 1, kSelectThreads, 0, stream, call);
}

}  // namespace videodiffcr::kernels
