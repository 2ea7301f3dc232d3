#include "scheduler/session_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/failed_step.h"
#include "scheduler/idleness.h"

namespace videodiffcr {
SessionRecord::SessionRecord(SessionId id, SessionRequest request, std::unique_ptr<SessionSink> sink,
                             const ModelInfo& info, SchedulerMetrics* metrics, absl::Time now)
    : sink_(std::move(sink)),
      id_(id),
      request_(std::move(request)),
      info_(info),
      submitted_(now),
      progress_(id, request_.prompt, request_.target, info, request_.continuation),
      flow_(request_.chunk_credits, request_.byte_credits),
      playout_(request_.playout_start_buffer.value_or(absl::ZeroDuration()), request_.run_ahead_limit_chunks),
      meter_(metrics, request_.priority, info.kv_cache_bytes, now) {
  if (request_.continuation == nullptr) return;
  if (request_.continuation->due.has_value()) {
    const absl::Duration chunk_duration = absl::Seconds(1) * info.chunk_frames / info.frames_per_second;
    playout_.Start(progress_.presentation_start(), now + *request_.continuation->due, chunk_duration, now);
  }
  if (!request_.continuation->paused) return;
  paused_ = true;
  playout_.Pause(now);
}

SessionView SessionRecord::View(absl::Time now) {
  SessionView view;
  view.id = id_;
  view.priority = request_.priority;
  view.state = state_;
  view.admitted = admitted_;
  view.ending = failure_.has_value();
  view.submitted = submitted_;
  if (begun_ && !step_running_) view.next_step = NextStep(now);
  view.work_began = progress_.WorkBegan(now);
  if (!progress_.in_chunk()) {
    view.ready_at = playout_.StartAllowedAt(now);
    if (flow_.held_until().has_value()) view.ready_at = std::max(*flow_.held_until(), view.ready_at.value_or(now));
  }
  if (request_.playout_start_buffer.has_value()) view.deadline = playout_.DueAt(progress_.presentation_start());
  if (!failure_.has_value()) view.idle_since = idle_since_;
  view.waited_for = waited_for_;
  view.target = progress_.wanted_target();
  view.floor = Floor();
  view.budget = progress_.budget();
  view.quiet_chunks = quiet_chunks_;
  view.has_playout = request_.playout_start_buffer.has_value();
  view.at_boundary = view.next_step.has_value() && !progress_.in_chunk() && !progress_.rebuilding() &&
                     view.next_step->kind != StepKind::kContext;
  view.chunk_period = progress_.presentation_duration();
  view.chunks_in_scene = progress_.chunks_in_scene();
  view.passes_left = progress_.passes_left();
  view.context_owed = progress_.context_owed();
  view.first_chunk = progress_.chunks_made() == 0;
  view.last_plan = last_plan_;
  view.chunks_made = progress_.chunks_made();
  view.chunks_delivered = meter_.totals().chunks;
  view.chunks_in_delivery = outbox_.chunks_in_delivery();
  view.chunks_undecoded = outbox_.chunks_undecoded();
  if (StopRequested()) {
    view.chunks_left = progress_.in_chunk() ? 1 : 0;
  } else if (request_.length_chunks > 0) {
    view.chunks_left = request_.length_chunks - progress_.chunks_made();
  }
  view.chunk_credits = flow_.chunk_credits();
  return view;
}

Outstanding SessionRecord::OutstandingFrom(int64_t next, absl::Duration presentation_start, absl::Time now) const {
  Outstanding outstanding = progress_.OutstandingFrom(next);
  outstanding.paused = paused_;
  outstanding.finishing = finish_requested_;
  outstanding.chunks_started = progress_.chunks_started();
  outstanding.chunk_credits = flow_.chunk_credits();
  outstanding.byte_credits = flow_.byte_credits();
  if (outstanding.chunk_credits != kUnlimitedCredits) outstanding.chunk_credits += progress_.chunks_started() - next;
  const std::optional<absl::Time> due = playout_.DueAt(presentation_start);
  const bool has_clock = request_.playout_start_buffer.has_value() || request_.run_ahead_limit_chunks > 0;
  if (has_clock && due.has_value()) outstanding.due = *due - playout_.ViewerTime(now);
  return outstanding;
}

// --- controls ---

absl::Status SessionRecord::Change(SessionChange change, absl::Time now) {
  if (failure_.has_value() || !WantsAnotherChunk()) {
    return absl::FailedPreconditionError(
        absl::StrCat("session ", id_, " is finishing: no chunk is left that a change could affect"));
  }
  if (progress_.changes_waiting() >= kMaxPendingChanges) {
    return absl::ResourceExhaustedError(absl::StrCat("session ", id_, " has ", progress_.changes_waiting(),
                                                     " changes waiting for its next chunk; wait for update_applied"));
  }
  progress_.Change(std::move(change));
  Refresh(now);
  return absl::OkStatus();
}

void SessionRecord::AddCredits(int64_t chunks, int64_t bytes, absl::Time now) {
  flow_.AddCredits(chunks, bytes);
  Refresh(now);
}

void SessionRecord::Pause(absl::Time now) {
  paused_ = true;
  playout_.Pause(now);
  Refresh(now);
}

void SessionRecord::Unpause(absl::Time now) {
  paused_ = false;
  playout_.Unpause(now);
  Refresh(now);
}

void SessionRecord::Finish(absl::Time now) {
  finish_requested_ = true;
  Refresh(now);
}

void SessionRecord::SetTransportRoom(int chunks, absl::Time now) {
  flow_.SetTransportRoom(chunks);
  Refresh(now);
}

bool SessionRecord::NoteReading(absl::Time now) {
  if (!idle_since_.has_value()) return false;
  idle_since_ = now;
  if (!std::exchange(waited_for_, false)) return false;
  Refresh(now);
  return true;
}

void SessionRecord::Drain(absl::Time now) {
  if (!stopped_.has_value()) stopped_ = absl::AbortedError("server is draining; go on elsewhere");
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

void SessionRecord::EndIfIdle(absl::Duration timeout, absl::Duration grace, absl::Time now) {
  if (timeout == absl::ZeroDuration() || !idle_since_.has_value() || now < *idle_since_ + timeout) return;
  if (now >= *idle_since_ + timeout + grace) return Fail(IdleError(StateReason(), timeout + grace), now);
  if (std::exchange(waited_for_, true)) return;
  outbox_.Announce(SessionState::kWaiting,
                   absl::StrCat("idle for ", absl::FormatDuration(timeout), " (", StateReason(),
                                "); it ends unless its client goes on within ", absl::FormatDuration(grace)));
}

void SessionRecord::EndHold(absl::Time now) {
  if (flow_.EndHold(now)) Refresh(now);
}

void SessionRecord::EndIfTooOld(absl::Duration lifetime, absl::Time now) {
  if (lifetime == absl::ZeroDuration() || now < submitted_ + lifetime || stopped_.has_value()) return;
  stopped_ = LifetimeError(lifetime);
  if (!admitted_) Fail(*stopped_, now);
  Refresh(now);
}

bool SessionRecord::WantsAnotherChunk() const {
  return !StopRequested() && (request_.length_chunks == 0 || progress_.chunks_started() < request_.length_chunks);
}

bool SessionRecord::MayStartChunk(absl::Time now) {
  if (!flow_.MayStartChunk(outbox_.chunks_in_delivery())) return false;
  if (outbox_.chunks_in_delivery() >= kMaxChunksInDelivery) return false;
  // A new scene takes a decoder state of its own while the chunks before it still hold theirs, and session_bytes counts
  // one. So at most one lives at a time.
  if (progress_.scene_cut_waits() && outbox_.chunks_undecoded() > 0) return false;
  return !playout_.StartAllowedAt(now).has_value();
}

std::optional<PlannedStep> SessionRecord::NextStep(absl::Time now) {
  if (!admitted_ || failure_.has_value()) return std::nullopt;
  // A session that is asked to stop ends with the chunk in progress, so a pause no longer holds that chunk.
  if (paused_ && !StopRequested()) return std::nullopt;
  if (!progress_.in_chunk()) {
    // Nor a context pass: nothing will read the KV cache after the last chunk.
    if (!WantsAnotherChunk()) return std::nullopt;
    if (progress_.rebuilding()) {
      if (outbox_.chunks_in_delivery() >= kMaxChunksInDelivery) return std::nullopt;
    } else if (!progress_.context_owed() && !MayStartChunk(now)) {
      return std::nullopt;
    }
  }
  return progress_.NextStep();
}

void SessionRecord::TakeBudget(const BudgetChoice& choice) {
  quiet_chunks_ = choice.quiet_chunks;
  progress_.SetServerBudget(choice.budget, choice.reason);
}

void SessionRecord::StepBegan(const PlannedStep& step, int64_t plan, absl::Time now) {
  if (const std::optional<StartedChunk> chunk = progress_.StepBegan(step, now); chunk.has_value()) {
    for (const int64_t update_id : chunk->update_ids) outbox_.Push(UpdateApplied{update_id, chunk->sequence});
    if (chunk->old_target.has_value()) {
      BudgetChanged change = {chunk->sequence, chunk->target};
      BudgetOrigin origin = BudgetOrigin::kClient;
      if (!chunk->target_asked_for) {
        const bool for_load = *chunk->server_reason != '\0';
        origin = for_load ? BudgetOrigin::kLoad : BudgetOrigin::kMemory;
        change = {chunk->sequence, chunk->target, true,
                  for_load ? chunk->server_reason : "back at the client's budget"};
      }
      outbox_.Push(change);
      meter_.TargetChanged(*chunk->old_target, chunk->target, origin);
    }
    flow_.ChunkStarted();
    playout_.ChunkStarted(chunk->presentation_start, now);
  }
  last_plan_ = plan;
  step_running_ = true;
  Refresh(now);
}

void SessionRecord::StepEnded(const PlannedStep& step, StepOutcome outcome, int sessions_in_plan, absl::Time now) {
  step_running_ = false;
  const bool makes_latents = progress_.IsLastPass(step) || step.kind == StepKind::kRebuild;
  if (outcome.status.ok() && makes_latents && outcome.latents == nullptr) {
    outcome.status = absl::InternalError("the model returned no latents");
  }
  if (!outcome.status.ok()) {
    if (!absl::IsResourceExhausted(outcome.status) || !RetryOnce(step)) Fail(FailedStep(outcome.status, step), now);
    Refresh(now);
    return;
  }
  meter_.StepRan(step, outcome, sessions_in_plan);
  if (std::optional<FinishedChunk> chunk = progress_.StepEnded(step, std::move(outcome), now); chunk.has_value()) {
    if (!chunk->rebuilt) meter_.ChunkMade(*chunk);
    retried_ = false;
    outbox_.Push(*std::move(chunk));
  }
  Refresh(now);
}

bool SessionRecord::RetryOnce(const PlannedStep& step) {
  if (failure_.has_value() || std::exchange(retried_, true)) return false;
  progress_.Retry(step);
  if (step.kind != StepKind::kDenoise) return true;
  const RetentionTenths before = progress_.chunk_target();
  RetentionTenths lower = 0;
  for (const RetentionBudget& budget : info_.budgets) {
    if (budget.tenths < before && budget.tenths >= Floor()) lower = std::max(lower, budget.tenths);
  }
  if (lower == 0) return true;
  progress_.SetChunkTarget(lower);
  outbox_.Push(BudgetChanged{step.chunk, lower, true, "memory was short"});
  meter_.TargetChanged(before, lower, BudgetOrigin::kMemory);
  return true;
}

bool SessionRecord::ShouldEnd() const {
  if (step_running_) return false;
  if (failure_.has_value()) return true;
  return !progress_.in_chunk() && !WantsAnotherChunk() && outbox_.chunks_in_delivery() == 0;
}

std::deque<SinkEvent> SessionRecord::DropOutbox() {
  return failure_.has_value() ? outbox_.Drop() : std::deque<SinkEvent>();
}

absl::Status SessionRecord::EndStatus(std::string* reason) const {
  if (failure_.has_value()) return *failure_;
  if (request_.length_chunks > 0 && progress_.chunks_made() >= request_.length_chunks) {
    *reason = "LENGTH_REACHED";
  } else if (finish_requested_) {
    *reason = "FINISH_REQUESTED";
  } else {
    return *stopped_;
  }
  return absl::OkStatus();
}

void SessionRecord::End(absl::Time now) {
  SessionEnded last;
  last.totals = meter_.totals();
  if (request_.continuation != nullptr) {
    last.totals.chunks += request_.continuation->chunks;
    last.totals.frames += request_.continuation->frames;
  }
  last.status = EndStatus(&last.totals.reason);
  admitted_ = false;
  EnterState(SessionState::kEnded, now);
  meter_.Ended(last.status, last.totals.reason, cancelled_at_, now);
  outbox_.Push(std::move(last));
}

// --- delivery threads ---

bool SessionRecord::Decoded(FinishedChunk* chunk, absl::Time began, absl::Duration waited_for_latents, absl::Time now) {
  ChunkTimings& timings = chunk->chunk.timings;
  timings.delivery_queue = began - chunk->denoised;
  // The model measures with a clock of its own.
  const absl::Duration last_pass = std::min(waited_for_latents, now - began);
  timings.denoise += last_pass;
  timings.decode = now - began - last_pass;
  chunk->denoised += last_pass;
  meter_.Decoded(*chunk);
  outbox_.ChunkDecoded();
  if (request_.playout_start_buffer.has_value()) chunk->chunk.deadline = playout_.DueAt(chunk->presentation_start);
  Refresh(now);
  return !failure_.has_value();
}

void SessionRecord::Rebuilt(absl::Time now) {
  outbox_.ChunkDecoded();
  outbox_.ChunkLeft();
  Refresh(now);
}

void SessionRecord::Delivered(const FinishedChunk& chunk, int64_t encoded_bytes, const std::optional<ChunkHold>& hold,
                              absl::Time now) {
  outbox_.ChunkLeft();
  if (hold.has_value()) flow_.Hold(*hold);
  flow_.ChunkEncoded(encoded_bytes);
  playout_.Delivered(chunk.presentation_start, now);
  meter_.Delivered(chunk, now);
  Refresh(now);
}

// --- state ---

SessionState SessionRecord::CurrentState() const {
  if (!admitted_) return SessionState::kWaiting;
  if (failure_.has_value() || StopRequested()) return SessionState::kFinishing;
  if (paused_ && (progress_.in_chunk() || WantsAnotherChunk())) return SessionState::kPaused;
  if (!WantsAnotherChunk()) return SessionState::kFinishing;
  if (!progress_.in_chunk() && flow_.BlockReason() != nullptr) return SessionState::kBlocked;
  return SessionState::kGenerating;
}

const char* SessionRecord::StateReason() const {
  switch (state_) {
    case SessionState::kWaiting:
      return "no place is free";
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
  const bool client_blocks = state_ == SessionState::kBlocked && flow_.ClientsBlockReason() != nullptr;
  if (state_ != SessionState::kPaused && !client_blocks) {
    idle_since_.reset();
    waited_for_ = false;
  } else if (!idle_since_.has_value()) {
    idle_since_ = now;
  }
  const bool chunk_workable = admitted_ && !paused_ && MayStartChunk(now);
  progress_.NoteReadiness(!step_running_ && NextStep(now).has_value(), chunk_workable, now);
  // A session that fails says so itself.
  if (!failure_.has_value() && !waited_for_) outbox_.Announce(state_, StateReason());
}

void SessionRecord::EnterState(SessionState state, absl::Time now) {
  meter_.StateChanged(state_, state, admitted_, now);
  if (state_ == SessionState::kBlocked) {
    // Held back past its deadline by its own client: the viewer has run dry. Counting on from the old deadline would
    // give this session the engine until it had caught up, at everybody else's cost.
    const std::optional<absl::Time> due = playout_.DueAt(progress_.presentation_start());
    if (due.has_value() && *due < now) playout_.Restart();
  }
  state_ = state;
}

}  // namespace videodiffcr
