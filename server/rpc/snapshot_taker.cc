#include "server/rpc/snapshot_taker.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/error_details.h"
#include "server/rpc/session_snapshot.h"

namespace videodiffcr {
namespace {

SceneHistory HistoryOf(const SessionPlan& plan, const ModelInfo& model) {
  return plan.request.continuation == nullptr ? SceneHistory(model) : SceneHistory(model, *plan.request.continuation);
}

}  // namespace

SnapshotTaker::SnapshotTaker(const CallEnvironment& environment, const SessionPlan& plan)
    : scheduler_(environment.scheduler),
      seal_(environment.snapshot_seal),
      resumable_(plan.resumable),
      config_(plan.resumable ? plan.config : v1::SessionConfig()),
      seed_(plan.request.seed),
      interval_chunks_(plan.snapshot_interval_chunks),
      history_(HistoryOf(plan, environment.model->info())) {}

absl::StatusOr<SnapshotEvent> SnapshotTaker::Take(std::optional<SessionId> session, int64_t controls_received) const {
  if (!resumable_) {
    return FieldError("NOT_RESUMABLE", "snapshot", "",
                      "is of sessions that were started with config.resumable, which keep what it holds");
  }
  if (!session.has_value()) return absl::NotFoundError("the session has not begun");
  absl::StatusOr<Outstanding> outstanding = scheduler_->OutstandingFrom(*session, history_.chunks(), history_.frames());
  if (!outstanding.ok()) return outstanding.status();
  const SessionFacts facts = {config_, seed_, history_, *std::move(outstanding), controls_received, absl::Now()};
  v1::SessionSnapshot snapshot = seal_->Close(MakeSnapshotState(facts, seal_->model_fingerprint()));
  SnapshotEvent event;
  event.state = std::move(*snapshot.mutable_state());
  event.seal = std::move(*snapshot.mutable_seal());
  event.next_sequence = snapshot.next_sequence();
  return event;
}

}  // namespace videodiffcr
