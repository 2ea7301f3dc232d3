// How far a session is in its video: the chunk in progress and the pass it needs next, the changes that wait for the
// next chunk, and how long all that waited for the engine. It knows nothing of what may hold the session back: that is
// session_record.h's. Not thread-safe.
//
// Per chunk: boundary -> [text] -> denoising passes -> the chunk leaves -> [context pass] -> boundary
#ifndef VIDEODIFFCR_SCHEDULER_SESSION_PROGRESS_H_
#define VIDEODIFFCR_SCHEDULER_SESSION_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"
#include "scheduler/session_outbox.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

// A chunk's first step has begun.
struct StartedChunk {
  int64_t sequence = 0;
  std::vector<int64_t> update_ids;            // of the changes that take effect with it
  std::optional<RetentionTenths> old_target;  // set when its target is another than the chunk's before
  bool target_asked_for = false;              // a change of the client's set it
  RetentionTenths target = kDenseTenths;
  const char* server_reason = "";  // why the server chose it; empty when it did not
  absl::Duration presentation_start;
};

class SessionProgress {
 public:
  // `info` outlives this. `before`: null at the beginning of a video.
  SessionProgress(SessionId id, std::string prompt, RetentionTenths target, const ModelInfo& info,
                  std::shared_ptr<const Continuation> before);

  bool in_chunk() const { return chunk_.has_value(); }
  int64_t chunks_made() const { return chunks_made_; }
  int64_t chunks_started() const { return chunks_made_ + (in_chunk() ? 1 : 0); }
  bool context_owed() const { return context_owed_; }
  // Chunks that were made elsewhere are still to be put into the KV cache.
  bool rebuilding() const { return before_ != nullptr && rebuilt_ < before_->scene.size(); }
  // Of the chunk in progress, else of the next one.
  absl::Duration presentation_start() const { return PlayingTime(frames_made_); }
  // The first moment at which the chunk in progress, else the next one, could have been worked on, the context pass
  // before it included; `now` when it cannot be yet.
  absl::Time WorkBegan(absl::Time now) const;

  // Playing time of the chunk in progress, else of the next one.
  absl::Duration presentation_duration() const;
  // Chunks made of the scene that it belongs to.
  int64_t chunks_in_scene() const;
  int passes_left() const { return info_.denoise_steps - (in_chunk() ? chunk_->next_pass : 0); }
  // What the client wants for it; what it, else the last one, is made at.
  RetentionTenths wanted_target() const { return in_chunk() ? target_ : pending_.target.value_or(target_); }
  RetentionTenths budget() const { return in_chunk() ? chunk_->out.chunk.nominal : last_chunk_target_; }

  // The server's choice for the chunk that starts next: no more than this, if the client wants more.
  void SetServerBudget(RetentionTenths budget, const char* reason) {
    server_budget_ = budget;
    server_reason_ = reason;
  }

  // Merged with the changes that wait for the next chunk already.
  void Change(SessionChange change);
  size_t changes_waiting() const { return pending_.update_ids.size(); }
  bool scene_cut_waits() const { return pending_.scene_cut; }
  // Prompt, target, scene cut and update ids, as they are or will be once chunk `next`, which may have been started,
  // and all that have been started after it are to be made again.
  Outstanding OutstandingFrom(int64_t next) const;

  // What comes next: a pass of the chunk in progress, the context pass of the one before, or the first step of a new
  // one.
  PlannedStep NextStep() const;
  // Whether there is a next step that the engine could run now, and whether a new chunk could be worked on.
  void NoteReadiness(bool step_ready, bool chunk_workable, absl::Time now);

  // NextStep() is in a plan. Says so when it is the first of a chunk, which it starts with the changes that wait.
  std::optional<StartedChunk> StepBegan(const PlannedStep& step, absl::Time now);
  bool IsLastPass(const PlannedStep& step) const {
    return step.kind == StepKind::kDenoise && step.step + 1 == info_.denoise_steps;
  }
  // Takes back the step that has just failed, so that NextStep() is what to try once more: the prompt or the context
  // pass again, or the chunk from its first pass on. That leads to the same chunk, since its noise depends on nothing
  // else.
  void Retry(const PlannedStep& failed);
  // Of the chunk in progress, which must not have begun a pass that counts.
  RetentionTenths chunk_target() const { return chunk_->out.chunk.nominal; }
  void SetChunkTarget(RetentionTenths target) { chunk_->out.chunk.nominal = target; }

  // `outcome` is OK, and has latents if it is of a last pass, when the chunk is finished, or of a rebuilt one.
  std::optional<FinishedChunk> StepEnded(const PlannedStep& step, StepOutcome outcome, absl::Time now);

 private:
  // A chunk between its first planned step and its last denoising pass.
  struct ChunkInProgress {
    FinishedChunk out;
    absl::Time work_began;
    int next_pass = 0;
    std::shared_ptr<const std::string> prompt;  // to be encoded once more before the first pass
    int64_t rows_processed = 0;
    int64_t rows_dense = 0;
    int64_t past_keys = 0;
    int64_t past_keys_whole = 0;
  };
  // A chunk that has been started, with the changes that it began with.
  struct ChangedChunk {
    int64_t sequence = 0;
    std::vector<int64_t> update_ids;
  };
  // What waits for the next chunk boundary, merged.
  struct PendingChange {
    std::optional<std::string> prompt;
    std::optional<RetentionTenths> target;
    bool scene_cut = false;
    std::vector<int64_t> update_ids;
  };

  PlannedStep NextRebuildStep() const;
  bool StartsScene() const { return chunks_made_ == scene_began_ || pending_.scene_cut; }
  StartedChunk StartChunk(absl::Time now);
  absl::Duration& QueueTimeOf(const PlannedStep& step);
  FinishedChunk FinishChunk(std::unique_ptr<LatentChunk> latents, absl::Time now);
  absl::Duration PlayingTime(int64_t frames) const { return absl::Seconds(1) * frames / info_.frames_per_second; }

  const SessionId id_;
  const ModelInfo& info_;
  const std::shared_ptr<const Continuation> before_;
  size_t rebuilt_ = 0;

  std::shared_ptr<const std::string> prompt_;   // of the chunk in progress, else of the one made last
  std::shared_ptr<const std::string> encoded_;  // that the model has; null: none

  std::optional<ChunkInProgress> chunk_;
  bool context_owed_ = false;
  int64_t chunks_made_ = 0;
  int64_t frames_made_ = 0;
  RetentionTenths target_;
  RetentionTenths last_chunk_target_;  // of the chunk made last; lower than target_ where memory or time was short
  std::optional<RetentionTenths> server_budget_;
  const char* server_reason_ = "";
  int64_t scene_began_ = 0;  // its first chunk
  PendingChange pending_;
  std::deque<ChangedChunk> changed_chunks_;  // the latest, kMaxChunksInDelivery + 1 at most

  std::optional<absl::Time> waiting_since_;  // ready, and not in a plan
  absl::Time step_began_;                    // the plan that it is in
  std::optional<absl::Time> work_began_;     // of the chunk that is not started yet
  absl::Duration queue_time_;                // for the chunk in progress or the next one
  absl::Duration context_time_;              // of the context pass before the next chunk
  absl::Duration context_queue_time_;        // that pass, ready but waiting for the engine
  absl::Time context_ended_ = absl::InfinitePast();
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SESSION_PROGRESS_H_
