// A VideoModel driven without a scheduler: sessions side by side, chunk by chunk. For warm-ups, benches, the trainer
// and tests. It knows what a chunk consists of (text when the prompt is new, the denoising passes, the context pass)
// and that its latents are taken before the context pass.
#ifndef VIDEODIFFCR_MODEL_DRIVE_CLIP_RUN_H_
#define VIDEODIFFCR_MODEL_DRIVE_CLIP_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/api/video_model.h"

namespace videodiffcr {

// What one session wants of its next chunk.
struct ChunkWish {
  int64_t chunk = 0;
  RetentionTenths budget = kDenseTenths;
  std::shared_ptr<const std::string> prompt;  // null: that of the chunk before
  bool scene_start = false;
};

// One session of a model, from BeginSession() to EndSession(), and its place within a chunk. One thread at a time.
class ClipRun {
 public:
  // What BeginSession() says when it fails. The model outlives the run.
  static absl::StatusOr<std::unique_ptr<ClipRun>> Begin(VideoModel& model, SessionId session, uint64_t seed);
  ~ClipRun();
  ClipRun(const ClipRun&) = delete;
  ClipRun& operator=(const ClipRun&) = delete;

  // The next chunk; the one before is done.
  void StartChunk(ChunkWish wish);
  bool ChunkDone() const { return stage_ == Stage::kDone; }
  // The step to plan next, and that it was run. Only while the chunk is not done.
  PlannedStep Next() const;
  void Advance();

 private:
  enum class Stage { kText, kDenoise, kContext, kDone };

  ClipRun(VideoModel& model, SessionId session) : model_(model), session_(session) {}

  VideoModel& model_;
  const SessionId session_;
  ChunkWish wish_;
  Stage stage_ = Stage::kDone;
  int step_ = 0;
};

// Takes the chunk's latents, one per run and in their order, before the context pass.
using TakeLatents = std::function<absl::Status(std::vector<std::unique_ptr<LatentChunk>> latents)>;
// Told of each plan: its first step stands for all, since they run in step; how long the model's call took.
using OnPlan =
    std::function<void(const PlannedStep& step, const std::vector<StepOutcome>& outcomes, absl::Duration elapsed)>;

// Runs the chunks that the runs have started, in step with each other: prompts first, then pass by pass, one plan for
// all. The first error ends it.
absl::Status RunChunks(VideoModel& model, const std::vector<ClipRun*>& runs, const TakeLatents& take,
                       const OnPlan& on_plan = {});

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_DRIVE_CLIP_RUN_H_
