#include "scheduler/engine_loop.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/admission_policy.h"
#include "scheduler/invariants.h"
#include "scheduler/step_policy.h"
#include "system/guarded.h"
#include "system/thread_niceness.h"

namespace videodiffcr {
namespace {

// When the clock alone makes a session ready, has one waited for, or ends one that is idle or too old.
absl::Time NextEvent(const Snapshot& snapshot, const SchedulerConfig& config) {
  absl::Time next = absl::InfiniteFuture();
  for (const SessionView& session : snapshot.sessions) {
    next = std::min(next, session.ready_at.value_or(next));
    if (config.idle_timeout > absl::ZeroDuration() && session.idle_since.has_value()) {
      const absl::Duration grace = session.waited_for ? config.idle_grace : absl::ZeroDuration();
      next = std::min(next, *session.idle_since + config.idle_timeout + grace);
    }
    if (config.session_lifetime > absl::ZeroDuration() && session.state != SessionState::kFinishing) {
      next = std::min(next, session.submitted + config.session_lifetime);
    }
  }
  return next;
}

}  // namespace

EngineLoop::EngineLoop(SchedulerState* state) : state_(state), thread_([this] { Run(); }) {}

EngineLoop::~EngineLoop() { thread_.join(); }

void EngineLoop::Run() {
  StandBack(state_->config.engine_niceness);
  while (true) {
    const Turn turn = NextTurn();
    if (turn.stop) return;
    for (const SessionId id : turn.ending) End(id);
    for (const SessionId id : turn.beginning) Begin(id);
    if (!turn.plan.steps.empty()) RunPlan(turn.plan);
  }
}

EngineLoop::Turn EngineLoop::NextTurn() {
  MutexLock lock(&state_->mutex);
  while (true) {
    Turn turn;
    bool any_left = false;
    // What a session with playout waits for may be there without anybody having ended.
    if (state_->config.slack_admission && state_->AnyWaiting()) state_->AdmitWaiting();
    const absl::Time now = state_->clock->Now();
    for (const auto& [id, session] : state_->sessions) {
      if (session->ended()) continue;
      any_left = true;
      session->EndHold(now);
      session->EndIfIdle(state_->config.idle_timeout, state_->config.idle_grace, now);
      state_->Dispatch(session.get());
      session->EndIfTooOld(state_->config.session_lifetime, now);
      if (session->ShouldEnd()) {
        turn.ending.push_back(id);
      } else if (session->admitted() && !session->begun()) {
        turn.beginning.push_back(id);
      }
    }
    turn.stop = state_->stopping && !any_left;
    // Endings and beginnings change who is ready, so the plan comes in the next turn.
    if (turn.stop || !turn.ending.empty() || !turn.beginning.empty()) return turn;

    Snapshot snapshot = state_->TakeSnapshot();
    const std::map<SessionId, BudgetChoice> budgets = state_->ChooseBudgets(&snapshot);
    turn.plan = PlanSteps(snapshot, state_->config);
    if (state_->config.check_invariants) {
      DieOnViolations(FindViolations(snapshot));
      DieOnViolations(FindViolations(snapshot, turn.plan));
    }
    if (!turn.plan.steps.empty()) {
      const int64_t number = ++state_->plans_begun;
      for (const PlannedStep& step : turn.plan.steps) {
        SessionRecord* const session = state_->Find(step.session);
        if (const auto choice = budgets.find(step.session); choice != budgets.end())
          session->TakeBudget(choice->second);
        session->StepBegan(step, number, snapshot.now);
        state_->Dispatch(session);
      }
      return turn;
    }
    state_->clock->WaitUntil(NextEvent(snapshot, state_->config), &state_->engine_wake, &state_->mutex);
  }
}

void EngineLoop::End(SessionId id) {
  std::deque<SinkEvent> dropped;
  {
    MutexLock lock(&state_->mutex);
    dropped = state_->Find(id)->DropOutbox();
  }
  dropped.clear();                // latents, before the session that they belong to
  state_->model->EndSession(id);  // which ignores one that never began

  MutexLock lock(&state_->mutex);
  SessionRecord* const session = state_->Find(id);
  if (session->admitted()) state_->memory_reserved_bytes -= state_->model->info().session_bytes;
  session->End(state_->clock->Now());
  state_->Dispatch(session);
  state_->AdmitWaiting();
}

void EngineLoop::Begin(SessionId id) {
  uint64_t seed;
  {
    MutexLock lock(&state_->mutex);
    seed = state_->Find(id)->seed();
  }
  const auto begin = [&] { return state_->model->BeginSession(id, seed); };
  absl::Status status = Guarded("starting the session", begin);
  // Once more: what another session has just given back may be enough.
  if (absl::IsResourceExhausted(status)) status = Guarded("starting the session", begin);
  const absl::Status health = status.ok() ? absl::OkStatus() : state_->model->health();
  MutexLock lock(&state_->mutex);
  state_->NoteHealth(health);
  SessionRecord* const session = state_->Find(id);
  if (status.ok()) return session->Begun();
  if (absl::IsResourceExhausted(status)) {
    session->CountAllocationFailure();
  }
  session->Fail(state_->WithPredictedWait(std::move(status)), state_->clock->Now());
}

void EngineLoop::RunPlan(const StepPlan& plan) {
  std::vector<StepOutcome> outcomes = state_->model->Run(plan);
  const int sessions = static_cast<int>(plan.steps.size());
  state_->metrics->batch_sessions->Observe(sessions);
  const bool all_ran = std::all_of(outcomes.begin(), outcomes.end(), [](const auto& one) { return one.status.ok(); });
  const absl::Status health = all_ran ? absl::OkStatus() : state_->model->health();

  MutexLock lock(&state_->mutex);
  const absl::Time now = state_->clock->Now();
  state_->NoteHealth(health);  // first: it is why the steps failed
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    SessionRecord* const session = state_->Find(plan.steps[i].session);
    StepOutcome outcome;
    if (i < outcomes.size()) {
      outcome = std::move(outcomes[i]);
    } else {
      outcome.status = absl::InternalError(
          absl::StrCat("the model returned ", outcomes.size(), " outcomes for ", sessions, " steps"));
    }
    if (outcome.status.ok()) {
      state_->pass_times.Note(plan.steps[i].kind, plan.steps[i].budget, sessions, session->chunks_in_scene(),
                              outcome.elapsed);
    }
    outcome.status = state_->WithPredictedWait(std::move(outcome.status));
    session->StepEnded(plan.steps[i], std::move(outcome), sessions, now);
    state_->Dispatch(session);
  }
  if (state_->config.check_invariants) DieOnViolations(FindViolations(state_->TakeSnapshot()));
}

}  // namespace videodiffcr
