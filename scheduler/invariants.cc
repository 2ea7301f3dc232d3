#include "scheduler/invariants.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "scheduler/memory_budget.h"

namespace videodiffcr {
namespace {

class Violations {
 public:
  template <typename... Args>
  void Require(bool holds, const Args&... message) {
    if (!holds) found_.push_back(absl::StrCat(message...));
  }
  std::vector<std::string> found() && { return std::move(found_); }

 private:
  std::vector<std::string> found_;
};

void CheckSession(const SessionView& session, const Snapshot& snapshot, Violations* violations) {
  const std::string who = absl::StrCat("session ", session.id, ": ");
  violations->Require(session.admitted == (session.state != SessionState::kWaiting), who,
                      "waits and holds memory, or neither");
  violations->Require(session.chunk_credits >= 0, who, "chunk credits are ", session.chunk_credits);
  violations->Require(session.chunks_in_delivery >= 0 && session.chunks_in_delivery <= kMaxChunksInDelivery, who,
                      session.chunks_in_delivery, " chunks are between engine and sink");
  violations->Require(session.chunks_undecoded >= 0 && session.chunks_undecoded <= session.chunks_in_delivery, who,
                      session.chunks_undecoded, " chunks are undecoded of ", session.chunks_in_delivery,
                      " in delivery");
  violations->Require(session.chunks_delivered + session.chunks_in_delivery <= session.chunks_made, who,
                      session.chunks_delivered, " chunks delivered and ", session.chunks_in_delivery,
                      " in delivery, but only ", session.chunks_made, " made");
  violations->Require(session.chunks_left.value_or(0) >= 0, who, "made more chunks than were asked for");
  if (!session.next_step.has_value()) return;
  const PlannedStep& step = *session.next_step;
  violations->Require(session.admitted, who, "has a next step but no memory");
  violations->Require(step.session == session.id, who, "its next step belongs to session ", step.session);
  violations->Require(step.step >= 0 && step.step < snapshot.denoise_steps, who, "next pass is ", step.step, " of ",
                      snapshot.denoise_steps);
  const int64_t chunk = step.kind == StepKind::kContext ? session.chunks_made - 1 : session.chunks_made;
  violations->Require(step.kind == StepKind::kRebuild || step.chunk == chunk, who, "next step is of chunk ", step.chunk,
                      ", not ", chunk);
  violations->Require((step.kind == StepKind::kText) == (step.prompt != nullptr), who,
                      "a prompt without a text step, or a text step without a prompt");
}

}  // namespace

std::vector<std::string> FindViolations(const Snapshot& snapshot) {
  Violations violations;
  const int admitted = snapshot.admitted_sessions();
  const int waiting = snapshot.waiting_sessions();
  violations.Require(snapshot.memory_reserved_bytes == admitted * snapshot.session_bytes,
                     snapshot.memory_reserved_bytes, " bytes are reserved for ", admitted, " sessions of ",
                     snapshot.session_bytes);
  violations.Require(snapshot.memory_reserved_bytes <= snapshot.memory_budget_bytes, snapshot.memory_reserved_bytes,
                     " bytes are reserved of a budget of ", snapshot.memory_budget_bytes);
  violations.Require(admitted <= snapshot.max_sessions, admitted, " sessions are admitted of ", snapshot.max_sessions);
  violations.Require(waiting <= snapshot.max_waiting_sessions, waiting, " sessions wait of ",
                     snapshot.max_waiting_sessions);
  const bool room = admitted < snapshot.max_sessions &&
                    FitsOneMore(snapshot.memory_budget_bytes, snapshot.memory_reserved_bytes, snapshot.session_bytes);
  // With playout one may wait for a share of the engine.
  const auto wants_room = std::count_if(snapshot.sessions.begin(), snapshot.sessions.end(), [&](const auto& session) {
    return session.state == SessionState::kWaiting && !session.ending &&
           !(snapshot.slack_admission && session.has_playout);
  });
  violations.Require(wants_room == 0 || !room, wants_room, " sessions wait although there is room");
  SessionId before = 0;
  for (const SessionView& session : snapshot.sessions) {
    violations.Require(session.id > before, "session ", session.id, " comes after ", before);
    before = session.id;
    CheckSession(session, snapshot, &violations);
  }
  return std::move(violations).found();
}

std::vector<std::string> FindViolations(const Snapshot& snapshot, const StepPlan& plan) {
  Violations violations;
  std::set<SessionId> ready;
  for (const SessionView& session : snapshot.sessions) {
    if (session.next_step.has_value()) ready.insert(session.id);
  }
  violations.Require(plan.steps.empty() == ready.empty(), ready.size(), " sessions are ready, the plan holds ",
                     plan.steps.size());
  violations.Require(static_cast<int>(plan.steps.size()) <= snapshot.max_sessions_per_plan, "the plan holds ",
                     plan.steps.size(), " sessions of ", snapshot.max_sessions_per_plan);
  for (const PlannedStep& step : plan.steps) {
    violations.Require(ready.erase(step.session) == 1, "session ", step.session,
                       " is planned twice or without being ready");
  }
  return std::move(violations).found();
}

void DieOnViolations(const std::vector<std::string>& violations) {
  if (violations.empty()) return;
  for (const std::string& violation : violations) {
    std::cerr << absl::StrCat("scheduler invariant broken: ", violation, "\n");
  }
  std::abort();
}

}  // namespace videodiffcr
