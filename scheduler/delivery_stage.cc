#include "scheduler/delivery_stage.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "system/guarded.h"
#include "system/thread_niceness.h"

namespace videodiffcr {
namespace {

// Every event but a chunk; these calls return at once.
void Tell(SessionSink* sink, const SinkEvent& event) {
  if (const auto* update = std::get_if<UpdateApplied>(&event)) {
    sink->OnUpdateApplied(update->update_id, update->first_chunk);
  } else if (const auto* budget = std::get_if<BudgetChanged>(&event)) {
    sink->OnBudgetChanged(budget->first_chunk, budget->target, budget->by_server, budget->reason);
  } else if (const auto* state = std::get_if<StateChanged>(&event)) {
    sink->OnStateChanged(state->state, state->reason);
  } else if (const auto* end = std::get_if<SessionEnded>(&event)) {
    sink->OnEnded(end->status, end->totals);
  }
}

// Why the sink could not take the event. Who cannot be told how its session ended is told at least that it did.
absl::Status TryToTell(SessionSink* sink, const SinkEvent& event) {
  const auto tell = [sink](const SinkEvent& what) { return Guarded("telling the client", [&] { Tell(sink, what); }); };
  const absl::Status told = tell(event);
  if (told.ok() || !std::holds_alternative<SessionEnded>(event)) return told;
  tell(SessionEnded{told, SessionTotals()}).IgnoreError();
  return absl::OkStatus();
}

}  // namespace

DeliveryStage::DeliveryStage(SchedulerState* state) : state_(state) {
  for (int i = 0; i < state->config.delivery_threads; ++i) threads_.emplace_back([this] { Run(); });
}

DeliveryStage::~DeliveryStage() {
  for (std::thread& thread : threads_) thread.join();
}

void DeliveryStage::Run() {
  // Decoding and encoding keep a processor busy, too: before the engine, whose next chunk nobody waits for yet, and
  // behind those that answer.
  StandBack(state_->config.engine_niceness / 2);
  while (const std::optional<SessionId> id = state_->deliveries.Pop()) DeliverOne(*id);
}

void DeliveryStage::DeliverOne(SessionId id) {
  SessionRecord* session;
  std::optional<SinkEvent> event;
  {
    MutexLock lock(&state_->mutex);
    // There until its end was told, which only the thread that holds it does.
    session = state_->Find(id);
    // A session that failed after it had queued may have nothing to tell at the moment.
    if (session->HasEvents()) event = session->TakeEvent();
  }
  if (event.has_value()) {
    if (auto* chunk = std::get_if<FinishedChunk>(&*event)) {
      DeliverChunk(session, std::move(*chunk));
    } else if (absl::Status told = TryToTell(session->sink(), *event); !told.ok()) {
      Fail(session, std::move(told));  // its client would go by what is no longer so
    }
  }
  const bool told_end = event.has_value() && std::holds_alternative<SessionEnded>(*event);
  // Before the session is gone: whoever waits for that may count on the sink being gone, too.
  if (told_end) session->DestroySink();
  Return(session, told_end);
}

void DeliveryStage::DeliverChunk(SessionRecord* session, FinishedChunk chunk) {
  const int64_t sequence = chunk.chunk.sequence;
  const absl::Time began = state_->clock->Now();
  absl::StatusOr<FrameChunk> frames = Guarded("frames", [&] { return state_->model->Decode(*chunk.latents); });
  const absl::Time decoded = state_->clock->Now();
  if (!frames.ok()) {
    const absl::Status health = state_->model->health();
    {
      MutexLock lock(&state_->mutex);
      state_->NoteHealth(health);
    }
    return Fail(session, absl::Status(frames.status().code(),
                                      absl::StrCat("decoding chunk ", sequence, ": ", frames.status().message())));
  }
  if (chunk.rebuilt) {  // the viewer has it
    MutexLock lock(&state_->mutex);
    session->Rebuilt(state_->clock->Now());
    state_->engine_wake.NotifyAll();
    return;
  }
  if (frames->frame_count != chunk.frame_count) {
    return Fail(session, absl::InternalError(absl::StrCat("chunk ", sequence, " decoded to ", frames->frame_count,
                                                          " frames instead of ", chunk.frame_count)));
  }
  bool wanted;
  {
    MutexLock lock(&state_->mutex);
    wanted = session->Decoded(&chunk, began, frames->waited_for_latents, decoded);
    state_->NoteChunkTime(decoded - chunk.first_step_began);
    state_->engine_wake.NotifyAll();
  }
  if (!wanted) return;
  if (session->keeps_latents()) {
    absl::StatusOr<HalfLatents> latents = Guarded("latents", [&] { return chunk.latents->CopyToHost(); });
    if (!latents.ok()) return Fail(session, latents.status());
    chunk.chunk.latents = std::make_shared<const HalfLatents>(*std::move(latents));
  }
  chunk.latents.reset();

  GeneratedChunk leaving = chunk.chunk;
  leaving.frames = *std::move(frames);
  const absl::StatusOr<int64_t> bytes =
      Guarded(absl::StrCat("encoding chunk ", sequence), [&] { return session->sink()->OnChunk(std::move(leaving)); });
  if (!bytes.ok()) return Fail(session, bytes.status());
  const std::optional<ChunkHold> hold = session->sink()->HoldAfterChunk();
  MutexLock lock(&state_->mutex);
  const absl::Time now = state_->clock->Now();
  session->Delivered(chunk, *bytes, hold, now);
  state_->pass_times.NoteDelivery(now - chunk.denoised);
  state_->engine_wake.NotifyAll();
}

void DeliveryStage::Fail(SessionRecord* session, absl::Status status) {
  MutexLock lock(&state_->mutex);
  session->Fail(state_->WithPredictedWait(std::move(status)), state_->clock->Now());
  state_->engine_wake.NotifyAll();
}

void DeliveryStage::Return(SessionRecord* session, bool told_end) {
  MutexLock lock(&state_->mutex);
  session->in_delivery_queue = false;
  state_->Dispatch(session);
  if (!told_end) return;
  state_->sessions.erase(session->id());
  state_->session_gone.NotifyAll();
}

}  // namespace videodiffcr
