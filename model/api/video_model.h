// The seam between the scheduler and a video model. No Torch, no CUDA, no protobuf on either side of it.
//
// Threads: info(), health() and CheckPrompt() may be called from any thread. BeginSession(), EndSession() and Run()
// belong to the engine thread. Decode() may be called from other threads, beside Run(), but for one session only one
// call at a time and in chunk order.
#ifndef VIDEODIFFCR_MODEL_API_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_API_VIDEO_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/api/frame_chunk.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"

namespace videodiffcr {

struct PromptCheck {
  int tokens = 0;                          // that the model will see, with the end token
  int cut_tokens = 0;                      // tokens of a long prompt that the model will not see
  std::vector<std::string> unknown_words;  // words the model does not know, each once, in order
  bool blank = false;                      // nothing to see is left of it once the model has cleaned it
};

class VideoModel {
 public:
  virtual ~VideoModel() = default;

  virtual const ModelInfo& info() const = 0;

  // Not OK: the model is lost, its device gives an error to whatever is asked of it. Every other call fails from then
  // on, and only a new process helps. To be asked after a call has failed. OK for good where there is no such device.
  virtual absl::Status health() const { return absl::OkStatus(); }

  // InvalidArgument when the prompt has more tokens than the model takes.
  virtual absl::StatusOr<PromptCheck> CheckPrompt(std::string_view prompt) const = 0;

  // Takes info().session_bytes for the session at once, so that nothing can run out of memory later. Every noise tensor
  // of the session comes from (seed, chunk, step). ResourceExhausted when the memory is not to be had; nothing is kept
  // then.
  virtual absl::Status BeginSession(SessionId session, uint64_t seed) = 0;

  // Gives the session's memory back, except what a Decode() in progress still holds. Unknown ids are ignored.
  virtual void EndSession(SessionId session) = 0;

  // Carries the plan out: outcomes[i] belongs to plan.steps[i]. A step that fails leaves the others untouched.
  virtual std::vector<StepOutcome> Run(const StepPlan& plan) = 0;

  // Latents of one chunk to frames, with the decoder state of their session. Where Run() returns before the device is
  // done, it waits for the pass that makes them and says for how long (FrameChunk::waited_for_latents).
  // ResourceExhausted when memory is not to be had. After an error no chunk of that scene can be decoded.
  virtual absl::StatusOr<FrameChunk> Decode(LatentChunk& latents) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_API_VIDEO_MODEL_H_
