// Clips of a student from its own passes, as serving makes them, but that they end at an exit step: what distribution
// matching trains on (self_forcing_inference.md section 9, videodiffcr.md section 5.3). Steps before the exit step and
// context passes run without gradients; the exit step runs with them, and its x0 is the chunk.
#ifndef VIDEODIFFCR_TRAINING_STAGES_SELF_ROLLOUT_H_
#define VIDEODIFFCR_TRAINING_STAGES_SELF_ROLLOUT_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/noise_schedule.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "training/run/random_tensor.h"
#include "training/scenes/random_stream.h"
#include "training/students/student.h"

namespace videodiffcr::training {

inline constexpr int64_t kWindowChunks = 4;  // what is judged of a rollout of scenes

// Chunks that a model's window holds, the one being made among them.
inline int64_t WindowChunks(const TransformerConfig& config) { return config.window_frames / config.chunk_frames; }

struct RolloutPlan {
  int64_t chunks = kWindowChunks;         // of the rollout, at least as many as the window's
  int64_t window_chunks = kWindowChunks;  // what is judged of it: the first chunk and the last others
  size_t exit_step = 0;

  std::vector<int64_t> window() const {
    std::vector<int64_t> numbers = {0};
    for (int64_t chunk = chunks - window_chunks + 1; chunk < chunks; ++chunk) numbers.push_back(chunk);
    return numbers;
  }
  // Whether a chunk of the window is trained: with a gap behind the sink, only the window's two ends are.
  bool counts(int64_t chunk) const { return chunk == 0 || chunk == chunks - 1 || chunks == window_chunks; }
};

inline constexpr int64_t kMostChunks = 6;  // of a rollout of scenes, by default

// The window's 4 chunks (70 %), or any number from 5 to `most_chunks`; any of the `steps` as exit step.
RolloutPlan DrawRolloutPlan(size_t steps, int64_t most_chunks, RandomStream& random);

// The noise of a chunk: what step 0 starts from, and what is added before each later step.
using StepNoise = std::function<at::Tensor(size_t step)>;

// One chunk [B, F, C, h, w] at the place where `state` is, through the steps up to `exit_step`. `exit_kind`: of the
// last pass; a trained one carries gradients, all others none.
at::Tensor DenoiseChunk(StudentNetwork& network, const StepSchedule& schedule, size_t exit_step, PassKind exit_kind,
                        const StepNoise& noise, const RolloutState& state);

// The window's K chunks of a rollout of `batch` clips, [batch, K F, C, h, w] in fp32, with gradients through the exit
// step of the chunks that count, unless `kind` is kServed. `hidden` [chunks batch, text_len, text_dim]: of all clips'
// chunk 0, then of chunk 1, ..., or [batch, ...]: the same for all chunks.
at::Tensor SelfRollout(StudentNetwork& network, const TransformerConfig& config, const StepSchedule& schedule,
                       const RolloutPlan& plan, PassKind kind, const at::Tensor& hidden, int64_t batch,
                       StepRandom& random);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_SELF_ROLLOUT_H_
