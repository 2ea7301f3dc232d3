#include "scheduler/scheduler_state.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "scheduler/admission_policy.h"
#include "scheduler/memory_budget.h"
#include "scheduler/model_loss.h"
#include "scheduler/retry_after.h"

namespace videodiffcr {
namespace {

constexpr size_t kLatestChunks = 16;

int SessionsPerPlan(const SchedulerConfig& config, const ModelInfo& info) {
  const int worth_it = std::max(1, info.max_sessions_per_plan);
  return config.max_sessions_per_plan == 0 ? worth_it : std::min(config.max_sessions_per_plan, worth_it);
}

// Those admitted and waiting, and as many again that have ended but whose sinks have not heard of it yet.
size_t MaxRecords(const SchedulerConfig& config) {
  return 2 * (static_cast<size_t>(config.max_sessions) + static_cast<size_t>(config.max_waiting_sessions));
}

}  // namespace

SchedulerState::SchedulerState(const SchedulerConfig& config, VideoModel* model, Clock* clock,
                               SchedulerMetrics* metrics)
    : config(config),
      model(model),
      clock(clock),
      metrics(metrics),
      max_sessions_per_plan(SessionsPerPlan(config, model->info())),
      max_records(MaxRecords(config)),
      deliveries(max_records),
      pass_times(model->info().budgets, model->info().denoise_steps) {
  const ModelInfo& info = model->info();
  const int64_t sessions =
      std::min<int64_t>(config.max_sessions, SessionsThatFit(config.memory_budget_bytes, info.session_bytes));
  metrics->kv_cache_capacity_bytes->Set(static_cast<double>(sessions) * static_cast<double>(info.kv_cache_bytes));
}

Snapshot SchedulerState::TakeSnapshot() {
  Snapshot snapshot;
  snapshot.now = clock->Now();
  for (const auto& [id, session] : sessions) {
    if (!session->ended()) snapshot.sessions.push_back(session->View(snapshot.now));
  }
  snapshot.memory_budget_bytes = config.memory_budget_bytes;
  snapshot.memory_reserved_bytes = memory_reserved_bytes;
  snapshot.session_bytes = model->info().session_bytes;
  snapshot.max_sessions = config.max_sessions;
  snapshot.max_waiting_sessions = config.max_waiting_sessions;
  snapshot.max_sessions_per_plan = max_sessions_per_plan;
  snapshot.sharing_is_free = pass_times.SharingIsFree();
  snapshot.denoise_steps = model->info().denoise_steps;
  snapshot.draining = draining;
  snapshot.chunk_period = ChunkPeriod();
  snapshot.chunk_duration = absl::Seconds(1) * model->info().chunk_frames / model->info().frames_per_second;
  snapshot.slack_admission = config.slack_admission;
  snapshot.degradation = degradation;
  return snapshot;
}

SessionRecord* SchedulerState::Find(SessionId session) {
  const auto found = sessions.find(session);
  return found == sessions.end() ? nullptr : found->second.get();
}

void SchedulerState::Dispatch(SessionRecord* session) {
  if (session->in_delivery_queue || !session->HasEvents()) return;
  if (!deliveries.TryPush(session->id())) {
    // Impossible while every session is in it at most once; a session that is never delivered would hang its client.
    std::cerr << absl::StrCat("scheduler: the delivery queue is full or closed; ", sessions.size(), " sessions\n");
    std::abort();
  }
  // Only now, for if there was no memory for its place the next event is to find one. Nobody looks meanwhile.
  session->in_delivery_queue = true;
}

void SchedulerState::Admit(SessionRecord* session) {
  memory_reserved_bytes += model->info().session_bytes;
  session->Admit(clock->Now());
  Dispatch(session);
  engine_wake.NotifyAll();
}

bool SchedulerState::AnyWaiting() {
  return std::any_of(sessions.begin(), sessions.end(),
                     [](const auto& entry) { return entry.second->state() == SessionState::kWaiting; });
}

void SchedulerState::AdmitWaiting() {
  while (const std::optional<SessionId> next = NextToAdmit(TakeSnapshot(), config, pass_times)) Admit(Find(*next));
}

std::map<SessionId, BudgetChoice> SchedulerState::ChooseBudgets(Snapshot* snapshot) {
  std::map<SessionId, BudgetChoice> choices;
  if (!config.budget_controller) return choices;
  const Timetable timetable(*snapshot, pass_times);
  bool any_lowered = false;
  for (SessionView& session : snapshot->sessions) {
    any_lowered = any_lowered || (session.admitted && session.budget < session.target);
    if (!session.at_boundary) continue;
    const BudgetChoice choice = ChooseBudget(session, timetable, model->info().budgets);
    session.next_step->budget = choice.budget;
    session.chunk_needs = timetable.Needs(session, choice.budget);
    choices.emplace(session.id, choice);
  }
  const Degradation next =
      NextDegradation(degradation, degradation_since, any_lowered, timetable.SomebodyIsLate(), snapshot->now);
  if (next != degradation) {
    degradation = next;
    degradation_since = snapshot->now;
    metrics->degradation_level->Set(static_cast<double>(next));
  }
  snapshot->degradation = degradation;
  return choices;
}

void SchedulerState::NoteHealth(const absl::Status& health) {
  if (health.ok() || !model_health.ok()) return;
  model_health = health;
  draining = true;
  for (const auto& [id, session] : sessions) {
    session->Fail(ModelLostError(health), clock->Now());
    Dispatch(session.get());
  }
  engine_wake.NotifyAll();
}

absl::Status SchedulerState::WithPredictedWait(absl::Status status) {
  if (!absl::IsResourceExhausted(status) || RetryAfter(status).has_value()) return status;
  return WithRetryAfter(std::move(status), PredictWait(TakeSnapshot()));
}

void SchedulerState::NoteChunkTime(absl::Duration first_pass_to_frames) {
  latest_chunk_times_.push_back(first_pass_to_frames);
  if (latest_chunk_times_.size() > kLatestChunks) latest_chunk_times_.pop_front();
}

std::optional<absl::Duration> SchedulerState::ChunkPeriod() const {
  if (latest_chunk_times_.empty()) return std::nullopt;
  const absl::Duration sum =
      std::accumulate(latest_chunk_times_.begin(), latest_chunk_times_.end(), absl::ZeroDuration());
  return sum / static_cast<int64_t>(latest_chunk_times_.size());
}

}  // namespace videodiffcr
