#include "scheduler/session_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

std::string Describe(const PlannedStep& step) {
  switch (step.kind) {
    case StepKind::kText:
      return absl::StrCat("text encoding before chunk ", step.chunk);
    case StepKind::kDenoise:
      return absl::StrCat("denoising pass ", step.step, " of chunk ", step.chunk);
    case StepKind::kContext:
      return absl::StrCat("context pass of chunk ", step.chunk);
  }
  return "step";
}

}  // namespace

SessionRecord::SessionRecord(SessionId id, SessionRequest request, std::unique_ptr<SessionSink> sink,
                             const ModelInfo& info, SchedulerMetrics* metrics, absl::Time now)
    : sink_(std::move(sink)),
      id_(id),
      request_(std::move(request)),
      info_(info),
      submitted_(now),
      target_(request_.target),
      flow_(request_.chunk_credits, request_.byte_credits),
      playout_(request_.playout_start_buffer.value_or(absl::ZeroDuration()), request_.run_ahead_limit_chunks),
      meter_(metrics, request_.priority, info.kv_cache_bytes, now) {}

SessionView SessionRecord::View(absl::Time now) {
  SessionView view;
  view.id = id_;
  view.priority = request_.priority;
  view.state = state_;
  view.admitted = admitted_;
  view.submitted = submitted_;
  if (begun_ && !step_running_) view.next_step = NextStep(now);
  if (chunk_.has_value()) {
    view.work_began = chunk_->work_began;
  } else {
    view.work_began = work_began_.value_or(waiting_since_.value_or(now));
    view.ready_at = playout_.StartAllowedAt(now);
  }
  if (request_.playout_start_buffer.has_value()) {
    view.deadline = playout_.DueAt(PlayingTime(frames_made_));  // of the chunk in progress, too
  }
  view.first_chunk = chunks_made_ == 0;
  view.last_plan = last_plan_;
  view.chunks_made = chunks_made_;
  view.chunks_delivered = meter_.totals().chunks;
  view.chunks_in_delivery = outbox_.chunks_in_delivery();
  view.chunks_undecoded = outbox_.chunks_undecoded();
  if (StopRequested()) {
    view.chunks_left = chunk_.has_value() ? 1 : 0;
  } else if (request_.length_chunks > 0) {
    view.chunks_left = request_.length_chunks - chunks_made_;
  }
  view.chunk_credits = flow_.chunk_credits();
  return view;
}

// --- controls ---

absl::Status SessionRecord::Change(SessionChange change, absl::Time now) {
  if (failure_.has_value() || !WantsAnotherChunk()) {
    return absl::FailedPreconditionError(
        absl::StrCat("session ", id_, " is finishing: no chunk is left that a change could affect"));
  }
  if (pending_.update_ids.size() >= kMaxPendingChanges) {
    return absl::ResourceExhaustedError(absl::StrCat("session ", id_, " has ", pending_.update_ids.size(),
                                                     " changes waiting for its next chunk; wait for update_applied"));
  }
  if (change.prompt.has_value()) pending_.prompt = std::move(change.prompt);
  if (change.target.has_value()) pending_.target = change.target;
  pending_.scene_cut = pending_.scene_cut || change.scene_cut;
  pending_.update_ids.push_back(change.update_id);
  Refresh(now);
  return absl::OkStatus();
}

void SessionRecord::AddCredits(int64_t chunks, int64_t bytes, absl::Time now) {
  flow_.AddCredits(chunks, bytes);
  Refresh(now);
}

void SessionRecord::Pause(absl::Time now) {
  if (!paused_at_.has_value()) paused_at_ = now;
  Refresh(now);
}

void SessionRecord::Unpause(absl::Time now) {
  if (paused_at_.has_value()) playout_.Shift(now - *paused_at_);
  paused_at_.reset();
  Refresh(now);
}

void SessionRecord::Finish(absl::Time now) {
  finish_requested_ = true;
  Refresh(now);
}

void SessionRecord::SetTransportBlocked(bool blocked, absl::Time now) {
  flow_.SetTransportBlocked(blocked);
  Refresh(now);
}

void SessionRecord::Drain(absl::Time now) {
  draining_ = true;
  if (!admitted_) Fail(absl::UnavailableError("server is draining; start the session elsewhere"), now);
  Refresh(now);
}

void SessionRecord::Fail(absl::Status why, absl::Time now) {
  if (!failure_.has_value()) failure_ = std::move(why);
  Refresh(now);
}

void SessionRecord::Cancel(absl::Status why, absl::Time now) {
  if (!failure_.has_value()) cancelled_at_ = now;
  Fail(why.ok() ? absl::CancelledError("session was cancelled") : std::move(why), now);
}

// --- engine thread ---

void SessionRecord::Admit(absl::Time now) {
  admitted_ = true;
  meter_.Admitted(now);
  Refresh(now);
}

bool SessionRecord::WantsAnotherChunk() const {
  return !StopRequested() && (request_.length_chunks == 0 || chunks_started() < request_.length_chunks);
}

bool SessionRecord::MayStartChunk(absl::Time now) {
  if (!flow_.MayStartChunk(outbox_.chunks_in_delivery())) return false;
  if (outbox_.chunks_in_delivery() >= kMaxChunksInDelivery) return false;
  // The first pass of a scene empties the decoder's state, which the chunks before it still need.
  if (pending_.scene_cut && outbox_.chunks_undecoded() > 0) return false;
  return !playout_.StartAllowedAt(now).has_value();
}

std::optional<PlannedStep> SessionRecord::NextStep(absl::Time now) {
  if (!admitted_ || failure_.has_value()) return std::nullopt;
  // A session that is asked to stop ends with the chunk in progress, so a pause no longer holds that chunk.
  if (paused_at_.has_value() && !StopRequested()) return std::nullopt;
  if (chunk_.has_value()) return StepOfChunkInProgress();
  // Nor a context pass: nothing will read the KV cache after the last chunk.
  if (!WantsAnotherChunk()) return std::nullopt;
  if (context_owed_) {
    PlannedStep step;
    step.session = id_;
    step.kind = StepKind::kContext;
    step.chunk = chunks_made_ - 1;
    step.budget = target_;
    return step;
  }
  if (!MayStartChunk(now)) return std::nullopt;
  return FirstStepOfNextChunk();
}

PlannedStep SessionRecord::StepOfChunkInProgress() const {
  PlannedStep step;
  step.session = id_;
  step.kind = StepKind::kDenoise;
  step.chunk = chunk_->out.chunk.sequence;
  step.step = chunk_->next_pass;
  step.budget = chunk_->out.chunk.nominal;
  step.scene_start = step.step == 0 && chunk_->out.chunk.scene_start;
  return step;
}

// A prompt that is new is encoded before the chunk's first pass.
PlannedStep SessionRecord::FirstStepOfNextChunk() const {
  PlannedStep step;
  step.session = id_;
  step.chunk = chunks_made_;
  step.budget = pending_.target.value_or(target_);
  if (chunks_made_ == 0 || pending_.prompt.has_value()) {
    step.kind = StepKind::kText;
    step.prompt = std::make_shared<const std::string>(pending_.prompt.value_or(request_.prompt));
  } else {
    step.kind = StepKind::kDenoise;
    step.scene_start = pending_.scene_cut;
  }
  return step;
}

void SessionRecord::StepBegan(const PlannedStep& step, int64_t plan, absl::Time now) {
  if (waiting_since_.has_value()) {
    (step.kind == StepKind::kContext ? context_queue_time_ : queue_time_) += now - *waiting_since_;
  }
  if (step.kind != StepKind::kContext && !chunk_.has_value()) StartChunk(now);
  last_plan_ = plan;
  step_running_ = true;
  Refresh(now);
}

void SessionRecord::StartChunk(absl::Time now) {
  const PendingChange change = std::exchange(pending_, PendingChange());
  const int64_t sequence = chunks_made_;
  for (const int64_t update_id : change.update_ids) outbox_.Push(UpdateApplied{update_id, sequence});
  if (change.target.has_value() && *change.target != target_) {
    outbox_.Push(BudgetChanged{sequence, *change.target});
    meter_.TargetChanged(target_, *change.target);
    target_ = *change.target;
  }
  flow_.ChunkStarted();

  chunk_.emplace();
  chunk_->work_began = work_began_.value_or(now);
  FinishedChunk& out = chunk_->out;
  out.chunk.sequence = sequence;
  out.chunk.first_frame = frames_made_;
  out.chunk.scene_start = sequence == 0 || change.scene_cut;
  out.chunk.nominal = target_;
  out.chunk.work_began = std::max(chunk_->work_began, context_ended_);
  out.chunk.timings.context = std::exchange(context_time_, absl::ZeroDuration());
  out.chunk.timings.context_queue = std::exchange(context_queue_time_, absl::ZeroDuration());
  out.frame_count = out.chunk.scene_start ? info_.first_chunk_frames : info_.chunk_frames;
  out.presentation_start = PlayingTime(frames_made_);
  out.presentation_duration = PlayingTime(frames_made_ + out.frame_count) - out.presentation_start;
  out.first_step_began = now;
  playout_.ChunkStarted(out.presentation_start, now);
  work_began_.reset();
}

void SessionRecord::StepEnded(const PlannedStep& step, StepOutcome outcome, int sessions_in_plan, absl::Time now) {
  step_running_ = false;
  const bool last_pass = step.kind == StepKind::kDenoise && step.step + 1 == info_.denoise_steps;
  if (outcome.status.ok() && last_pass && outcome.latents == nullptr) {
    outcome.status = absl::InternalError("the model returned no latents");
  }
  if (!outcome.status.ok()) {
    Fail(absl::Status(outcome.status.code(), absl::StrCat(Describe(step), ": ", outcome.status.message())), now);
    return;
  }
  meter_.StepRan(step, outcome, sessions_in_plan);
  switch (step.kind) {
    case StepKind::kText:
      chunk_->out.chunk.timings.text += outcome.elapsed;
      break;
    case StepKind::kContext:
      context_owed_ = false;
      context_time_ = outcome.elapsed;
      context_ended_ = now;
      break;
    case StepKind::kDenoise:
      chunk_->out.chunk.timings.denoise += outcome.elapsed;
      chunk_->rows_processed += outcome.rows_processed;
      chunk_->rows_dense += outcome.rows_dense;
      ++chunk_->next_pass;
      if (last_pass) FinishChunk(std::move(outcome.latents), now);
      break;
  }
  Refresh(now);
}

void SessionRecord::FinishChunk(std::unique_ptr<LatentChunk> latents, absl::Time now) {
  FinishedChunk out = std::move(chunk_->out);
  if (chunk_->rows_dense > 0) {
    out.chunk.executed_retention =
        static_cast<double>(chunk_->rows_processed) / static_cast<double>(chunk_->rows_dense);
  }
  chunk_.reset();
  out.latents = std::move(latents);
  out.denoised = now;
  out.chunk.timings.queue = std::exchange(queue_time_, absl::ZeroDuration());
  ++chunks_made_;
  frames_made_ += out.frame_count;
  context_owed_ = true;
  meter_.ChunkMade(out);
  outbox_.Push(std::move(out));
}

bool SessionRecord::ShouldEnd() const {
  if (step_running_) return false;
  if (failure_.has_value()) return true;
  return !chunk_.has_value() && !WantsAnotherChunk() && outbox_.chunks_in_delivery() == 0;
}

std::deque<SinkEvent> SessionRecord::DropOutbox() {
  return failure_.has_value() ? outbox_.Drop() : std::deque<SinkEvent>();
}

absl::Status SessionRecord::EndStatus(std::string* reason) const {
  if (failure_.has_value()) return *failure_;
  if (request_.length_chunks > 0 && chunks_made_ >= request_.length_chunks) {
    *reason = "LENGTH_REACHED";
  } else if (finish_requested_) {
    *reason = "FINISH_REQUESTED";
  } else {
    return absl::AbortedError("server is draining; go on elsewhere");
  }
  return absl::OkStatus();
}

void SessionRecord::End(absl::Time now) {
  SessionEnded last;
  last.totals = meter_.totals();
  last.status = EndStatus(&last.totals.reason);
  admitted_ = false;
  EnterState(SessionState::kEnded, now);
  meter_.Ended(last.status, last.totals.reason, cancelled_at_, now);
  outbox_.Push(std::move(last));
}

// --- delivery threads ---

bool SessionRecord::Decoded(FinishedChunk* chunk, absl::Time began, absl::Time now) {
  chunk->chunk.timings.delivery_queue = began - chunk->denoised;
  chunk->chunk.timings.decode = now - began;
  meter_.Decoded(*chunk);
  outbox_.ChunkDecoded();
  if (request_.playout_start_buffer.has_value()) chunk->chunk.deadline = playout_.DueAt(chunk->presentation_start);
  Refresh(now);
  return !failure_.has_value();
}

void SessionRecord::Delivered(const FinishedChunk& chunk, int64_t encoded_bytes, absl::Time now) {
  outbox_.ChunkLeft();
  flow_.ChunkEncoded(encoded_bytes);
  playout_.Delivered(chunk.presentation_start, now);
  meter_.Delivered(chunk, now);
  Refresh(now);
}

// --- state ---

SessionState SessionRecord::CurrentState() const {
  if (!admitted_) return SessionState::kWaiting;
  if (failure_.has_value() || StopRequested()) return SessionState::kFinishing;
  if (paused_at_.has_value() && (chunk_.has_value() || WantsAnotherChunk())) return SessionState::kPaused;
  if (!WantsAnotherChunk()) return SessionState::kFinishing;
  if (!chunk_.has_value() && flow_.BlockReason() != nullptr) return SessionState::kBlocked;
  return SessionState::kGenerating;
}

const char* SessionRecord::StateReason() const {
  switch (state_) {
    case SessionState::kWaiting:
      return "waiting for memory";
    case SessionState::kPaused:
      return "paused by the client";
    case SessionState::kBlocked:
      return flow_.BlockReason();
    case SessionState::kFinishing:
      return "the last chunk is on its way";
    default:
      return "";
  }
}

void SessionRecord::Refresh(absl::Time now) {
  if (ended()) return;
  const SessionState state = CurrentState();
  if (state != state_) EnterState(state, now);
  NoteReadiness(now);
  // A session that fails says so itself.
  if (!failure_.has_value()) outbox_.Announce(state_, StateReason());
}

void SessionRecord::NoteReadiness(absl::Time now) {
  if (!chunk_.has_value()) {
    const bool workable = admitted_ && !paused_at_.has_value() && MayStartChunk(now);
    if (!workable) {
      work_began_.reset();
    } else if (!work_began_.has_value()) {
      work_began_ = now;
    }
  }
  if (step_running_ || !NextStep(now).has_value()) {
    waiting_since_.reset();
  } else if (!waiting_since_.has_value()) {
    waiting_since_ = now;
  }
}

void SessionRecord::EnterState(SessionState state, absl::Time now) {
  meter_.StateChanged(state_, state, admitted_, now);
  if (state_ == SessionState::kBlocked) {
    // Held back past its deadline by its own client: the viewer has run dry. Counting on from the old deadline would
    // give this session the engine until it had caught up, at everybody else's cost.
    const std::optional<absl::Time> due = playout_.DueAt(PlayingTime(frames_made_));
    if (due.has_value() && *due < now) playout_.Restart();
  }
  state_ = state;
}

absl::Duration SessionRecord::PlayingTime(int64_t frames) const {
  return absl::Seconds(1) * frames / info_.frames_per_second;
}

}  // namespace videodiffcr
