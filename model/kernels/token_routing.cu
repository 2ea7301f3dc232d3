#include <cuda_runtime.h>

#include "model/kernels/launch.cuh"
#include "model/kernels/radix_select.cuh"
#include "model/kernels/token_routing.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kScoreWarps = 8;

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

// One block: 16384 scores are little work, and the next kernel waits for all of it anyway.
__global__ void __launch_bounds__(kSelectThreads) SelectTokensKernel(const __grid_constant__ SelectTokensCall call) {
  extern __shared__ uint8_t marked[];
  WaitForKernelBefore();
  for (int token = threadIdx.x; token < call.tokens; token += kSelectThreads) marked[token] = 0;
  __syncthreads();
  const int sites = call.tokens / call.frames;
  if (call.floor_rows > 0) {
    for (int frame = 0; frame < call.frames; ++frame) {
      MarkBest(call.scores, marked, frame * sites, (frame + 1) * sites, call.floor_rows);
    }
  }
  const int rest = call.kept_rows - call.frames * call.floor_rows;
  if (rest > 0) MarkBest(call.scores, marked, 0, call.tokens, rest);
  int before = 0;
  for (int first = 0; first < call.tokens; first += kSelectThreads) {
    const int token = first + threadIdx.x;
    const bool keep = token < call.tokens && marked[token];
    int total;
    const int place = before + SumBefore(keep, &total);
    if (call.place != nullptr && token < call.tokens) call.place[token] = keep ? place : -1;
    if (keep) {
      call.kept[place] = token;
      if (call.gate != Gate::kNone) {
        const float sigmoid = 1.0f / (1.0f + expf(-call.scores[token]));
        call.factor[place] = call.gate == Gate::kTwoSigmoid ? 2 * sigmoid : sigmoid;
      }
    }
    before += total;
  }
}

}  // namespace

void RouterScores(const RouterScoresCall& call, Stream stream) {
  LaunchEarly(ScoreTokens, (call.tokens + kScoreWarps - 1) / kScoreWarps, kScoreWarps * 32, 0, stream, call);
}

void SelectTokens(const SelectTokensCall& call, Stream stream) {
  LaunchEarly(SelectTokensKernel, 1, kSelectThreads, call.tokens, stream, call);
}

}  // namespace videodiffcr::kernels
