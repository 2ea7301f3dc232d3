#include "scheduler/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "scheduler/admission_policy.h"
#include "scheduler/delivery_stage.h"
#include "scheduler/engine_loop.h"
#include "scheduler/memory_budget.h"
#include "scheduler/scheduler_state.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxRunAheadChunks = 64;

absl::Status CheckBudget(const ModelInfo& info, const char* field, RetentionTenths tenths) {
  const bool known = std::any_of(info.budgets.begin(), info.budgets.end(),
                                 [&](const RetentionBudget& budget) { return budget.tenths == tenths; });
  if (known) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", tenths, " tenths; model '", info.name, "' has no table for it"));
}

absl::Status CheckNotNegative(const char* field, int64_t value) {
  if (value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be at least 0"));
}

absl::Status CheckContinuation(const ModelInfo& info, const SessionRequest& request) {
  if (request.continuation == nullptr) return absl::OkStatus();
  const Continuation& before = *request.continuation;
  if (absl::Status status = CheckNotNegative("continuation.chunks", before.chunks); !status.ok()) return status;
  if (absl::Status status = CheckNotNegative("continuation.frames", before.frames); !status.ok()) return status;
  if (request.length_chunks > 0 && before.chunks > request.length_chunks) {
    return absl::InvalidArgumentError(
        absl::StrCat("continuation.chunks is ", before.chunks, "; the video has ", request.length_chunks));
  }
  for (size_t i = 0; i < before.scene.size(); ++i) {
    const bool last = i + 1 == before.scene.size();
    const int64_t sequence = before.scene[i].sequence;
    const int64_t next = last ? before.chunks : before.scene[i + 1].sequence;
    if (sequence < 0 || sequence >= next || (last && sequence + 1 != next)) {
      return absl::InvalidArgumentError(absl::StrCat("continuation.scene: chunk ", sequence, " stands before ", next,
                                                     "; chunks rise up to the one made last"));
    }
  }
  for (const EarlierChunk& chunk : before.scene) {
    if (chunk.prompt == nullptr || chunk.latents == nullptr ||
        static_cast<int64_t>(chunk.latents->size()) != info.latents_per_chunk) {
      return absl::InvalidArgumentError(
          absl::StrCat("continuation.scene: every chunk needs its prompt and ", info.latents_per_chunk, " latents"));
    }
  }
  return absl::OkStatus();
}

// What would break the scheduler's own arithmetic. Prompt, sizes and limits were checked by the server.
absl::Status CheckRequest(const ModelInfo& info, const SessionRequest& request) {
  for (const absl::Status& status : {
           CheckNotNegative("length_chunks", request.length_chunks),
           CheckNotNegative("chunk_credits", request.chunk_credits),
           CheckNotNegative("byte_credits", request.byte_credits),
           CheckNotNegative("run_ahead_limit_chunks", request.run_ahead_limit_chunks),
           CheckBudget(info, "target", request.target),
           CheckBudget(info, "floor", request.floor),
       }) {
    if (!status.ok()) return status;
  }
  if (request.run_ahead_limit_chunks > kMaxRunAheadChunks) {
    return absl::InvalidArgumentError(absl::StrCat("run_ahead_limit_chunks is ", request.run_ahead_limit_chunks,
                                                   "; it must be at most ", kMaxRunAheadChunks));
  }
  if (absl::Status status = CheckContinuation(info, request); !status.ok()) return status;
  if (request.playout_start_buffer.value_or(absl::ZeroDuration()) < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "playout_start_buffer is ", absl::FormatDuration(*request.playout_start_buffer), "; it must be at least 0"));
  }
  return absl::OkStatus();
}

absl::Status CheckModel(const SchedulerConfig& config, const ModelInfo& info) {
  if (info.session_bytes < 1 || info.frames_per_second < 1 || info.denoise_steps < 1 || info.chunk_frames < 1 ||
      info.first_chunk_frames < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model '", info.name, "' is incomplete: session_bytes ", info.session_bytes, ", frames_per_second ",
        info.frames_per_second, ", denoise_steps ", info.denoise_steps, ", chunk_frames ", info.chunk_frames,
        ", first_chunk_frames ", info.first_chunk_frames, "; all must be at least 1"));
  }
  if (SessionsThatFit(config.memory_budget_bytes, info.session_bytes) < 1) {
    return absl::InvalidArgumentError(absl::StrCat("memory_budget_bytes is ", config.memory_budget_bytes,
                                                   "; one session of model '", info.name, "' takes ",
                                                   info.session_bytes, ": raise the budget"));
  }
  return absl::OkStatus();
}

RejectionReason ReasonOf(AdmissionObstacle obstacle) {
  switch (obstacle) {
    case AdmissionObstacle::kMemory:
      return RejectionReason::kMemory;
    case AdmissionObstacle::kDraining:
      return RejectionReason::kDraining;
    case AdmissionObstacle::kSlack:
      return RejectionReason::kSlack;
    default:
      return RejectionReason::kSessions;
  }
}

absl::Status Refusal(const AdmissionDecision& decision, const Snapshot& snapshot) {
  if (decision.obstacle == AdmissionObstacle::kDraining) {
    return absl::UnavailableError("server is draining and takes no new sessions; start the session elsewhere");
  }
  if (decision.obstacle == AdmissionObstacle::kSlack) {
    return WithRetryAfter(
        absl::ResourceExhaustedError(absl::StrCat(
            "another session would make those late that run (", snapshot.admitted_sessions(), " run, ",
            snapshot.waiting_sessions(), " of at most ", snapshot.max_waiting_sessions, " wait); retry in ",
            absl::FormatDuration(decision.retry_after), ", or ask for a lower retention.floor or for no playout")),
        decision.retry_after);
  }
  const bool memory = decision.obstacle == AdmissionObstacle::kMemory;
  return WithRetryAfter(
      absl::ResourceExhaustedError(
          absl::StrCat(memory ? "no memory is left for another session (" : "no more sessions are allowed (",
                       snapshot.admitted_sessions(), " run, ", snapshot.waiting_sessions(), " of at most ",
                       snapshot.max_waiting_sessions, " wait); retry in ", absl::FormatDuration(decision.retry_after))),
      decision.retry_after);
}

absl::Status NoSuchSession(SessionId session) {
  return absl::NotFoundError(absl::StrCat("session ", session, " is not there; it may have ended"));
}

}  // namespace

// What a Scheduler is made of. The engine thread and the delivery threads meet in the state only.
class Scheduler::Engine {
 public:
  Engine(const SchedulerConfig& config, VideoModel* model, Clock* clock, SchedulerMetrics* metrics)
      : state(config, model, clock, metrics), delivery(&state), loop(&state) {}

  ~Engine() {
    MutexLock lock(&state.mutex);
    state.stopping = true;
    for (const auto& [id, session] : state.sessions) {
      session->Cancel(absl::CancelledError("server is shutting down"), state.clock->Now());
    }
    state.engine_wake.NotifyAll();
    // The engine ends them, the delivery threads tell their sinks; then both sets of threads have nothing left to do.
    while (!state.sessions.empty()) state.session_gone.Wait(&state.mutex);
    state.deliveries.Close();
  }

  // Runs `change` on the session and lets the threads see it; NotFound when it is not there.
  template <typename ChangeSession>
  absl::Status Control(SessionId id, const ChangeSession& change) {
    MutexLock lock(&state.mutex);
    SessionRecord* const session = state.Find(id);
    if (session == nullptr || session->ended()) return NoSuchSession(id);
    absl::Status status = change(session, state.clock->Now());
    state.Dispatch(session);
    state.engine_wake.NotifyAll();
    return status;
  }

  SchedulerState state;
  DeliveryStage delivery;
  EngineLoop loop;
};

Scheduler::Scheduler(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

Scheduler::~Scheduler() = default;

absl::StatusOr<std::unique_ptr<Scheduler>> Scheduler::Create(const SchedulerConfig& config, VideoModel* model,
                                                             Clock* clock, SchedulerMetrics* metrics) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  const ModelInfo& info = model->info();
  SchedulerConfig effective = config;
  effective.memory_budget_bytes = BudgetOfModel(config.memory_budget_bytes, info.session_bytes, info.session_capacity);
  if (absl::Status status = CheckModel(effective, info); !status.ok()) return status;
  return std::unique_ptr<Scheduler>(new Scheduler(std::make_unique<Engine>(effective, model, clock, metrics)));
}

absl::StatusOr<SessionId> Scheduler::Submit(SessionRequest request, std::unique_ptr<SessionSink> sink) {
  SchedulerState& state = engine_->state;
  if (absl::Status status = CheckRequest(state.model->info(), request); !status.ok()) return status;
  MutexLock lock(&state.mutex);
  const Snapshot snapshot = state.TakeSnapshot();
  const bool breaks_promises = request.playout_start_buffer.has_value() &&
                               BreaksPromises(snapshot, state.pass_times, std::min(request.floor, request.target));
  AdmissionDecision decision = DecideAdmission(snapshot, breaks_promises);
  if (decision.verdict != AdmissionVerdict::kRefuse && state.sessions.size() >= state.max_records) {
    // Many have ended and their sinks are slow to hear of it; without this the number of records had no bound.
    decision = {AdmissionVerdict::kRefuse, AdmissionObstacle::kSessions, PredictWait(snapshot)};
  }
  if (decision.verdict == AdmissionVerdict::kRefuse) {
    const int reason = static_cast<int>(ReasonOf(decision.obstacle));
    state.metrics->of(request.priority).admission_rejections_total[reason]->Increment();
    return Refusal(decision, snapshot);
  }
  const SessionId id = state.next_id++;
  auto record = std::make_unique<SessionRecord>(id, std::move(request), std::move(sink), state.model->info(),
                                                state.metrics, snapshot.now);
  SessionRecord* const session = record.get();
  const int64_t reserved_before = state.memory_reserved_bytes;
  // Else a session would run on whose id nobody knows, should there be no memory for what follows.
  absl::Cleanup take_back = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    state.sessions.erase(id);
    state.memory_reserved_bytes = reserved_before;
  };
  state.sessions.emplace(id, std::move(record));
  if (decision.verdict == AdmissionVerdict::kAdmit) {
    state.Admit(session);
  } else {
    session->Wait(snapshot.now);
    state.Dispatch(session);
  }
  std::move(take_back).Cancel();
  return id;
}

absl::Status Scheduler::Change(SessionId session, SessionChange change) {
  if (change.target.has_value()) {
    absl::Status status = CheckBudget(engine_->state.model->info(), "target", *change.target);
    if (!status.ok()) return status;
  }
  return engine_->Control(
      session, [&](SessionRecord* record, absl::Time now) { return record->Change(std::move(change), now); });
}

absl::Status Scheduler::AddCredits(SessionId session, int64_t chunks, int64_t bytes) {
  if (absl::Status status = CheckNotNegative("chunks", chunks); !status.ok()) return status;
  if (absl::Status status = CheckNotNegative("bytes", bytes); !status.ok()) return status;
  return engine_->Control(session, [&](SessionRecord* record, absl::Time now) {
    record->AddCredits(chunks, bytes, now);
    return absl::OkStatus();
  });
}

absl::Status Scheduler::Pause(SessionId session) {
  return engine_->Control(session, [](SessionRecord* record, absl::Time now) {
    record->Pause(now);
    return absl::OkStatus();
  });
}

absl::Status Scheduler::Unpause(SessionId session) {
  return engine_->Control(session, [](SessionRecord* record, absl::Time now) {
    record->Unpause(now);
    return absl::OkStatus();
  });
}

absl::Status Scheduler::Finish(SessionId session) {
  return engine_->Control(session, [](SessionRecord* record, absl::Time now) {
    record->Finish(now);
    return absl::OkStatus();
  });
}

absl::StatusOr<Outstanding> Scheduler::OutstandingFrom(SessionId session, int64_t next, int64_t next_frame) const {
  SchedulerState& state = engine_->state;
  MutexLock lock(&state.mutex);
  const SessionRecord* const record = state.Find(session);
  if (record == nullptr) return NoSuchSession(session);
  const absl::Duration presented = absl::Seconds(1) * next_frame / state.model->info().frames_per_second;
  return record->OutstandingFrom(next, presented, state.clock->Now());
}

void Scheduler::SetTransportRoom(SessionId session, int chunks) {
  // A session that has just ended has no transport to fill.
  engine_
      ->Control(session,
                [&](SessionRecord* record, absl::Time now) {
                  record->SetTransportRoom(chunks, now);
                  return absl::OkStatus();
                })
      .IgnoreError();
}

void Scheduler::NoteReading(SessionId session) {
  SchedulerState& state = engine_->state;
  MutexLock lock(&state.mutex);
  SessionRecord* const record = state.Find(session);
  // Otherwise no wake: it only puts an end off, and the engine looks again when the old one comes.
  if (record == nullptr || !record->NoteReading(state.clock->Now())) return;
  state.Dispatch(record);
  state.engine_wake.NotifyAll();
}

void Scheduler::Cancel(SessionId session, absl::Status why) {
  engine_
      ->Control(session,
                [&](SessionRecord* record, absl::Time now) {
                  record->Cancel(std::move(why), now);
                  return absl::OkStatus();
                })
      .IgnoreError();
}

void Scheduler::Drain(absl::Time deadline) {
  SchedulerState& state = engine_->state;
  MutexLock lock(&state.mutex);
  state.draining = true;
  for (const auto& [id, session] : state.sessions) {
    session->Drain(state.clock->Now());
    state.Dispatch(session.get());
  }
  state.engine_wake.NotifyAll();
  while (!state.sessions.empty() && state.clock->Now() < deadline) {
    state.clock->WaitUntil(deadline, &state.session_gone, &state.mutex);
  }
  for (const auto& [id, session] : state.sessions) {
    session->Cancel(absl::AbortedError("server had to stop before this session's chunk was done"), state.clock->Now());
  }
  state.engine_wake.NotifyAll();
}

void Scheduler::NotePassTime(const PlannedStep& step, absl::Duration elapsed) {
  MutexLock lock(&engine_->state.mutex);
  engine_->state.pass_times.Note(step.kind, step.budget, 1, step.chunk, elapsed);
}

absl::Status Scheduler::model_health() const {
  MutexLock lock(&engine_->state.mutex);
  return engine_->state.model_health;
}

SchedulerLoad Scheduler::load() const {
  SchedulerState& state = engine_->state;
  MutexLock lock(&state.mutex);
  SchedulerLoad load;
  for (const auto& [id, session] : state.sessions) {
    if (session->ended() || (session->ending() && !session->admitted())) continue;
    ++(session->admitted() ? load.active_sessions : load.waiting_sessions);
  }
  load.measured_chunk_period = state.ChunkPeriod();
  return load;
}

}  // namespace videodiffcr
