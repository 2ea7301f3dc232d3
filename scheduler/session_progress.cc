#include "scheduler/session_progress.h"

#include <algorithm>
#include <utility>

#include "scheduler/snapshot.h"

namespace videodiffcr {

SessionProgress::SessionProgress(SessionId id, std::string prompt, RetentionTenths target, const ModelInfo& info,
                                 std::shared_ptr<const Continuation> before)
    : id_(id),
      info_(info),
      before_(std::move(before)),
      prompt_(std::make_shared<const std::string>(std::move(prompt))),
      target_(target),
      last_chunk_target_(target) {
  if (before_ == nullptr) return;
  chunks_made_ = before_->chunks;
  frames_made_ = before_->frames;
  scene_began_ = before_->scene.empty() ? chunks_made_ : before_->scene.front().sequence;
  pending_.update_ids = before_->update_ids;
}

absl::Time SessionProgress::WorkBegan(absl::Time now) const {
  return in_chunk() ? chunk_->work_began : work_began_.value_or(waiting_since_.value_or(now));
}

absl::Duration SessionProgress::presentation_duration() const {
  if (in_chunk()) return chunk_->out.presentation_duration;
  return PlayingTime(StartsScene() ? info_.first_chunk_frames : info_.chunk_frames);
}

int64_t SessionProgress::chunks_in_scene() const {
  return !in_chunk() && pending_.scene_cut ? 0 : chunks_made_ - scene_began_;
}

void SessionProgress::Change(SessionChange change) {
  if (change.prompt.has_value()) pending_.prompt = std::move(change.prompt);
  if (change.target.has_value()) pending_.target = change.target;
  pending_.scene_cut = pending_.scene_cut || change.scene_cut;
  pending_.update_ids.push_back(change.update_id);
}

Outstanding SessionProgress::OutstandingFrom(int64_t next) const {
  Outstanding outstanding;
  outstanding.prompt = pending_.prompt.value_or(*prompt_);
  outstanding.target = pending_.target.value_or(target_);
  outstanding.scene_cut = pending_.scene_cut || (next > 0 && scene_began_ >= next);
  for (const ChangedChunk& changed : changed_chunks_) {
    if (changed.sequence < next) continue;
    outstanding.update_ids.insert(outstanding.update_ids.end(), changed.update_ids.begin(), changed.update_ids.end());
  }
  outstanding.update_ids.insert(outstanding.update_ids.end(), pending_.update_ids.begin(), pending_.update_ids.end());
  return outstanding;
}

PlannedStep SessionProgress::NextRebuildStep() const {
  const EarlierChunk& chunk = before_->scene[rebuilt_];
  PlannedStep step;
  step.session = id_;
  step.budget = target_;
  if (encoded_ == nullptr || *encoded_ != *chunk.prompt) {
    step.kind = StepKind::kText;
    step.chunk = chunks_made_;
    step.prompt = chunk.prompt;
    return step;
  }
  step.kind = StepKind::kRebuild;
  step.budget = chunk.budget;
  step.chunk = chunk.sequence;
  step.scene_start = rebuilt_ == 0;
  step.latents = chunk.latents;
  return step;
}

PlannedStep SessionProgress::NextStep() const {
  if (rebuilding()) return NextRebuildStep();
  PlannedStep step;
  step.session = id_;
  if (in_chunk()) {
    step.chunk = chunk_->out.chunk.sequence;
    step.budget = chunk_->out.chunk.nominal;
    if (chunk_->prompt != nullptr) {
      step.kind = StepKind::kText;
      step.prompt = chunk_->prompt;
      return step;
    }
    step.kind = StepKind::kDenoise;
    step.step = chunk_->next_pass;
    step.scene_start = step.step == 0 && chunk_->out.chunk.scene_start;
  } else if (context_owed_) {
    step.kind = StepKind::kContext;
    step.chunk = chunks_made_ - 1;
    step.budget = last_chunk_target_;  // what of it stays in the cache is up to its own
  } else {
    step.chunk = chunks_made_;
    step.budget = std::min(server_budget_.value_or(kDenseTenths), wanted_target());
    // A prompt that is new is encoded before the chunk's first pass.
    if (encoded_ == nullptr || *encoded_ != *prompt_ || pending_.prompt.has_value()) {
      step.kind = StepKind::kText;
      step.prompt = pending_.prompt.has_value() ? std::make_shared<const std::string>(*pending_.prompt) : prompt_;
    } else {
      step.kind = StepKind::kDenoise;
      step.scene_start = StartsScene();
    }
  }
  return step;
}

void SessionProgress::NoteReadiness(bool step_ready, bool chunk_workable, absl::Time now) {
  if (!in_chunk()) {
    if (!chunk_workable) {
      work_began_.reset();
    } else if (!work_began_.has_value()) {
      work_began_ = now;
    }
  }
  if (!step_ready) {
    waiting_since_.reset();
  } else if (!waiting_since_.has_value()) {
    waiting_since_ = now;
  }
}

std::optional<StartedChunk> SessionProgress::StepBegan(const PlannedStep& step, absl::Time now) {
  if (waiting_since_.has_value()) QueueTimeOf(step) += now - *waiting_since_;
  step_began_ = now;
  if (step.kind == StepKind::kContext || in_chunk() || rebuilding()) return std::nullopt;
  return StartChunk(now);
}

StartedChunk SessionProgress::StartChunk(absl::Time now) {
  PendingChange change = std::exchange(pending_, PendingChange());
  StartedChunk started;
  started.sequence = chunks_made_;
  started.update_ids = change.update_ids;
  changed_chunks_.push_back({chunks_made_, std::move(change.update_ids)});
  if (changed_chunks_.size() > kMaxChunksInDelivery + 1) changed_chunks_.pop_front();
  if (change.prompt.has_value()) prompt_ = std::make_shared<const std::string>(*std::move(change.prompt));
  target_ = change.target.value_or(target_);
  started.target = std::min(server_budget_.value_or(kDenseTenths), target_);
  started.target_asked_for = change.target.has_value() && started.target == target_;
  started.server_reason = server_reason_;
  if (started.target != last_chunk_target_) started.old_target = last_chunk_target_;
  if (change.scene_cut) scene_began_ = chunks_made_;
  started.presentation_start = presentation_start();

  chunk_ = ChunkInProgress{};  // not emplace(): clang 14 takes a nested struct with defaults for not constructible
  chunk_->work_began = work_began_.value_or(now);
  FinishedChunk& out = chunk_->out;
  out.chunk.sequence = chunks_made_;
  out.chunk.first_frame = frames_made_;
  out.chunk.scene_start = chunks_made_ == scene_began_;
  out.chunk.prompt = prompt_;
  out.chunk.nominal = started.target;
  out.chunk.work_began = std::max(chunk_->work_began, context_ended_);
  out.chunk.timings.context = std::exchange(context_time_, absl::ZeroDuration());
  out.chunk.timings.context_queue = std::exchange(context_queue_time_, absl::ZeroDuration());
  out.frame_count = out.chunk.scene_start ? info_.first_chunk_frames : info_.chunk_frames;
  out.presentation_start = started.presentation_start;
  out.presentation_duration = PlayingTime(frames_made_ + out.frame_count) - out.presentation_start;
  out.first_step_began = now;
  work_began_.reset();
  return started;
}

void SessionProgress::Retry(const PlannedStep& failed) {
  if (failed.kind == StepKind::kContext || rebuilding()) return;  // still to do
  if (failed.kind == StepKind::kText) chunk_->prompt = failed.prompt;
  chunk_->next_pass = 0;
  chunk_->rows_processed = chunk_->rows_dense = 0;
  chunk_->past_keys = chunk_->past_keys_whole = 0;
}

absl::Duration& SessionProgress::QueueTimeOf(const PlannedStep& step) {
  return step.kind == StepKind::kContext ? context_queue_time_ : queue_time_;
}

std::optional<FinishedChunk> SessionProgress::StepEnded(const PlannedStep& step, StepOutcome outcome, absl::Time now) {
  // A plan ends with its longest step. Those that the model ran before or after this one had the engine then.
  QueueTimeOf(step) += std::max(now - step_began_ - outcome.elapsed, absl::ZeroDuration());
  switch (step.kind) {
    case StepKind::kText:
      encoded_ = step.prompt;
      if (rebuilding()) break;
      chunk_->prompt.reset();
      chunk_->out.chunk.timings.text += outcome.elapsed;
      break;
    case StepKind::kContext:
      context_owed_ = false;
      context_time_ = outcome.elapsed;
      context_ended_ = now;
      break;
    case StepKind::kRebuild: {
      FinishedChunk rebuilt;
      rebuilt.rebuilt = true;
      rebuilt.chunk.sequence = step.chunk;
      rebuilt.latents = std::move(outcome.latents);
      ++rebuilt_;
      return rebuilt;
    }
    case StepKind::kDenoise:
      chunk_->out.chunk.timings.denoise += outcome.elapsed;
      chunk_->rows_processed += outcome.rows_processed;
      chunk_->rows_dense += outcome.rows_dense;
      chunk_->past_keys += outcome.past_keys;
      chunk_->past_keys_whole += outcome.past_keys_whole;
      ++chunk_->next_pass;
      if (IsLastPass(step)) return FinishChunk(std::move(outcome.latents), now);
      break;
  }
  return std::nullopt;
}

FinishedChunk SessionProgress::FinishChunk(std::unique_ptr<LatentChunk> latents, absl::Time now) {
  FinishedChunk out = std::move(chunk_->out);
  const auto share = [](int64_t part, int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 1.0;
  };
  out.chunk.executed_retention = share(chunk_->rows_processed, chunk_->rows_dense);
  out.chunk.executed_cache = share(chunk_->past_keys, chunk_->past_keys_whole);
  last_chunk_target_ = out.chunk.nominal;
  chunk_.reset();
  out.latents = std::move(latents);
  out.denoised = now;
  out.chunk.timings.queue = std::exchange(queue_time_, absl::ZeroDuration());
  ++chunks_made_;
  frames_made_ += out.frame_count;
  context_owed_ = true;
  return out;
}

}  // namespace videodiffcr
