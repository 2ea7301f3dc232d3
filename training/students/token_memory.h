// What a ranking of tokens may remember, beyond the paper (videodiffcr.md section 9, 2 and 3): what its block kept in
// the step before, and where in the picture the chunk before looked. Neither is trained; for comparison, on the plain
// path.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_MEMORY_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_MEMORY_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "model/plain/transformer/block.h"
#include "model/plain/transformer/cache_ranking.h"

namespace videodiffcr::training {

// Both in standard deviations of a pass's scores, so that they mean the same for any router. 0: nothing is remembered.
struct TokenMemoryOptions {
  double hysteresis = 0;  // added to the score of a token that the block kept in the step before
  // Times how much the chunk before looked at the token's place: log of the one-query saliency of section 9, 2, mean
  // over its frames, with mean 0 and deviation 1 over the places.
  double anchor = 0;

  bool remembers() const { return hysteresis > 0 || anchor > 0; }
};

// Of one rollout.
class TokenMemory {
 public:
  TokenMemory(const TokenMemoryOptions& options, size_t blocks) : options_(options), kept_(blocks), places_(blocks) {}

  // Chooses for a block in a denoising step, 0 the chunk's first, and remembers what; `frames` and `frame_floor` as
  // SelectTokens() takes them. Lives as long as this.
  TokenSelector Selector(size_t step, size_t block, int64_t frames, double frame_floor);

  bool looks() const { return options_.anchor > 0; }
  // A block of a finished chunk's context pass has run.
  void Look(const RanBlock& block);

 private:
  // The scores with what is remembered.
  at::Tensor Remembered(size_t step, size_t block, int64_t frames, const at::Tensor& scores) const;

  struct Kept {
    size_t step = 0;
    at::Tensor mask;  // fp32 [B, N], 1 where kept; undefined: no step has chosen yet
  };

  const TokenMemoryOptions options_;
  std::vector<Kept> kept_;          // by block: of its last choice
  std::vector<at::Tensor> places_;  // by block: fp32 [B, S], of the chunk before; undefined: there was none
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_TOKEN_MEMORY_H_
