// Any bytes as a snapshot that a client brings: refused with a reason that names the field, or the plan of a session
// that takes its first steps, and whose own snapshot is taken again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "prometheus/registry.h"
#include "scheduler/scheduler_metrics.h"
#include "scheduler/session_record.h"
#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/scene_history.h"
#include "server/rpc/session_snapshot.h"
#include "tests/fakes/fake_video_model.h"
#include "tests/fuzz/require.h"

namespace videodiffcr {
namespace {

constexpr int kSteps = 24;
const absl::Time kNow = absl::UnixEpoch() + absl::Hours(24 * 365 * 50);

const FakeVideoModel& Model() {
  static const FakeVideoModel model;
  return model;
}

// As docs/errors.md has it: whose snapshot is refused learns why.
void CheckRefusal(const absl::Status& status) {
  const bool other_model = absl::IsFailedPrecondition(status) && ErrorReason(status) == "SNAPSHOT_OF_ANOTHER_MODEL";
  Require(other_model || absl::IsInvalidArgument(status), "a refusal with another code", status);
  Require(!ErrorReason(status).empty(), "a refusal without a reason", status);
  const bool names_field =
      absl::StrContains(status.message(), "resume.snapshot") || absl::StartsWith(status.message(), "config.");
  Require(names_field, "a refusal that names no field", status);
}

void CheckContinuation(const SessionPlan& plan) {
  const ModelInfo& model = Model().info();
  const Continuation& before = *plan.request.continuation;
  Require(before.chunks >= 0 && before.chunks <= plan.request.length_chunks, "chunks beyond the length");
  Require(before.scene.size() <= static_cast<size_t>(model.window_chunks), "a scene beyond the window");
  Require(before.scene.empty() || before.scene.back().sequence == before.chunks - 1, "a gap behind the scene");
  int64_t least = 0;
  for (const EarlierChunk& chunk : before.scene) {
    Require(chunk.sequence >= least, "a scene that does not rise");
    least = chunk.sequence + 1;
    Require(chunk.latents->size() == static_cast<size_t>(model.latents_per_chunk), "latents of another size");
    Require(std::none_of(chunk.latents->begin(), chunk.latents->end(),
                         [](uint16_t half) { return (half & 0x7c00) == 0x7c00; }),
            "latents that are not finite");
  }
}

// What a model gives back that computes nothing.
struct NoLatents final : LatentChunk {
  absl::StatusOr<HalfLatents> CopyToHost() override { return HalfLatents(); }
};

void Deliver(SessionRecord* record, absl::Time now) {
  while (record->HasEvents()) {
    SinkEvent event = record->TakeEvent();
    auto* const chunk = std::get_if<FinishedChunk>(&event);
    if (chunk == nullptr) continue;
    if (chunk->rebuilt) {
      record->Rebuilt(now);
    } else if (record->Decoded(chunk, now, absl::ZeroDuration(), now)) {
      record->Delivered(*chunk, 1000, std::nullopt, now);
    }
  }
}

// A snapshot of the session as it stands must be one that a server takes.
void CheckSnapshotOf(const SessionRecord& record, const SessionPlan& plan, const SceneHistory& history,
                     const SnapshotSeal& seal) {
  const absl::Duration start = absl::Seconds(1) * plan.request.continuation->frames / Model().info().frames_per_second;
  const SessionFacts facts = {plan.config,
                              plan.request.seed,
                              history,
                              record.OutstandingFrom(history.chunks(), start, kNow),
                              plan.controls_received,
                              kNow};
  const v1::SessionSnapshot snapshot = seal.Close(MakeSnapshotState(facts, seal.model_fingerprint()));
  const absl::StatusOr<v1::SnapshotState> state = seal.Open(snapshot);
  Require(state.ok(), "the session's own snapshot does not open", state.status());
  const absl::StatusOr<SessionPlan> again = PlanFromSnapshot(*state, /*one_clip=*/false, Model(), RpcLimits(), kNow);
  Require(again.ok(), "the session's own snapshot is refused", again.status());
  const Continuation& before = *plan.request.continuation;
  const Continuation& after = *again->request.continuation;
  Require(after.chunks == before.chunks && after.frames == before.frames && after.paused == before.paused &&
              after.scene.size() == before.scene.size() && after.update_ids == before.update_ids,
          "the session's own snapshot leads elsewhere");
}

void GoOn(SessionPlan plan, const SnapshotSeal& seal) {
  static prometheus::Registry registry;
  static SchedulerMetrics metrics(&registry, "fake");
  absl::Time now = kNow;
  SessionRecord record(1, plan.request, nullptr, Model().info(), &metrics, now);
  record.Wait(now);
  CheckSnapshotOf(record, plan, SceneHistory(Model().info(), *plan.request.continuation), seal);
  record.Admit(now);
  record.Begun();
  for (int i = 0; i < kSteps && !record.ShouldEnd(); ++i) {
    const std::optional<PlannedStep> step = record.View(now).next_step;
    if (!step.has_value()) break;
    record.StepBegan(*step, i + 1, now);
    now += absl::Milliseconds(10);
    StepOutcome outcome;
    outcome.latents = std::make_unique<NoLatents>();
    record.StepEnded(*step, std::move(outcome), 1, now);
    Deliver(&record, now);
  }
  record.Fail(absl::CancelledError("enough"), now);
  record.DropOutbox();
  record.End(now);
}

void OpenState(const std::string& bytes) {
  static const SnapshotSeal seal("fake", "");
  v1::SessionSnapshot snapshot;
  snapshot.set_state(bytes);
  const absl::StatusOr<v1::SnapshotState> state = seal.Open(snapshot);
  if (!state.ok()) return CheckRefusal(state.status());
  for (const bool one_clip : {true, false}) {
    absl::StatusOr<SessionPlan> plan = PlanFromSnapshot(*state, one_clip, Model(), RpcLimits(), kNow);
    if (!plan.ok()) {
      CheckRefusal(plan.status());
      continue;
    }
    CheckContinuation(*plan);
    if (!one_clip) GoOn(*std::move(plan), seal);
  }
}

// The message around it, at a server with a key that nobody here has.
void OpenSealed(const std::string& bytes) {
  static const SnapshotSeal seal("fake", std::string(32, 'k'));
  v1::SessionSnapshot snapshot;
  if (!ParseMessage(bytes, &snapshot).ok()) return;
  const absl::StatusOr<v1::SnapshotState> state = seal.Open(snapshot);
  Require(absl::IsUnauthenticated(state.status()) && ErrorReason(state.status()) == "SNAPSHOT_NOT_SEALED",
          "a seal that nobody made", state.status());
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  videodiffcr::OpenState(bytes);
  videodiffcr::OpenSealed(bytes);
  return 0;
}
