// What one call of the model does to which sessions. A plan is a value: it can be printed, tested and replayed.
#ifndef VIDEODIFFCR_MODEL_API_STEP_PLAN_H_
#define VIDEODIFFCR_MODEL_API_STEP_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/api/model_info.h"

namespace videodiffcr {

// Numbers a session inside one process; never reused.
using SessionId = int64_t;

enum class StepKind {
  kText,     // encode the prompt; replaces the session's text keys
  kDenoise,  // one denoising pass of the current chunk
  kContext,  // the clean pass that writes the finished chunk's keys and values into the KV cache
  kRebuild,  // the same over the latents of a chunk that another model of the same kind made
};

// Latents of one chunk in host memory, [chunk frames, C, h, w] in IEEE half precision.
using HalfLatents = std::vector<uint16_t>;

struct PlannedStep {
  SessionId session = 0;
  StepKind kind = StepKind::kDenoise;
  int64_t chunk = 0;                      // from 0
  int step = 0;                           // kDenoise: 0 is the noisiest pass
  RetentionTenths budget = kDenseTenths;  // kContext, kRebuild: the chunk's
  // kText only. Shared because a plan is copied into logs and tests while the session keeps its prompt.
  std::shared_ptr<const std::string> prompt;
  // First denoising pass of a chunk that starts a new scene, or the first rebuilt chunk: the session's KV cache and
  // decoder state are emptied before it.
  bool scene_start = false;
  // kRebuild only: finite, as many as ModelInfo::latents_per_chunk.
  std::shared_ptr<const HalfLatents> latents;
};

// Steps of different sessions, at most one per session, in the order in which they were chosen.
struct StepPlan {
  std::vector<PlannedStep> steps;
};

// A finished chunk still in latent space, on the model's device. Opaque outside the model; hold it to decode it.
class LatentChunk {
 public:
  virtual ~LatentChunk() = default;
  // What kRebuild takes, rounded to half precision. Waits for the pass that makes it: whoever wants frames, too, asks
  // for these first, since a decode that is asked for meanwhile begins as the pass ends.
  virtual absl::StatusOr<HalfLatents> CopyToHost() = 0;
};

// What became of one PlannedStep.
struct StepOutcome {
  absl::Status status;     // not OK: this session cannot go on; the others of the plan are untouched
  absl::Duration elapsed;  // wall time of the step; steps run together report the time of the group
  // kDenoise: token rows that went through the blocks, and rows of the dense model, summed over blocks.
  int64_t rows_processed = 0;
  int64_t rows_dense = 0;
  absl::Duration routing;      // kDenoise: the part of `elapsed` spent on scoring and ranking tokens
  int64_t tokens_evicted = 0;  // kDenoise, step 0: keys dropped from the window, mean over blocks
  // kDenoise: keys of earlier chunks that were attended to, and what they would be if the cache kept everything, summed
  // over blocks. 0 and 0: it does.
  int64_t past_keys = 0;
  int64_t past_keys_whole = 0;
  // Last denoising pass and kRebuild only: the chunk, ready for VideoModel::Decode. One owner at a time.
  std::unique_ptr<LatentChunk> latents;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_API_STEP_PLAN_H_
