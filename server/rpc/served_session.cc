#include "server/rpc/served_session.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_details.h"
#include "server/delivery/session_encoder.h"
#include "server/media/encoder.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/error_details.h"
#include "server/rpc/session_start.h"
#include "server/rpc/session_warnings.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

int64_t FirstSequence(const SessionPlan& plan) {
  return plan.request.continuation == nullptr ? 0 : plan.request.continuation->chunks;
}

ReplayLimits NothingKept() {
  ReplayLimits limits;
  limits.chunks = 0;
  return limits;
}

absl::Status WithDetails(const absl::Status& status, std::optional<int64_t> last_sequence) {
  if (absl::IsOutOfRange(status)) {
    return FieldError(error_reason::kOutOfRange, "resume.last_sequence", absl::StrCat(last_sequence.value_or(-1)),
                      status.message());
  }
  return absl::IsDataLoss(status) ? WithErrorInfo(status, error_reason::kReplayWindowLost) : status;
}

}  // namespace

absl::Status CallHasEnded() noexcept { return StatusOf(absl::StatusCode::kCancelled, "the call has ended"); }

std::shared_ptr<ServedSession> ServedSession::Create(const CallEnvironment& environment, const SessionPlan& plan,
                                                     Caller caller, std::string fingerprint, absl::Time came_at) {
  std::shared_ptr<ServedSession> session(
      new ServedSession(environment, plan, std::move(caller), std::move(fingerprint), came_at));
  session->outbox_->SetListener(session);
  session->outbox_->SetTap(session->watchers_);
  return session;
}

ServedSession::ServedSession(const CallEnvironment& environment, const SessionPlan& plan, Caller caller,
                             std::string fingerprint, absl::Time came_at)
    : environment_(environment),
      caller_(std::move(caller)),
      name_(NewSessionName()),
      request_id_(RequestIdOf(plan, caller_)),
      fingerprint_(std::move(fingerprint)),
      resumable_(plan.resumable),
      first_sequence_(FirstSequence(plan)),
      came_at_(came_at),
      start_(DescribeStart(environment, plan, name_, caller_)),
      outbox_(std::make_shared<StreamOutbox>(environment.outbox_limits,
                                             resumable_ ? environment.replay_limits : NothingKept(),
                                             environment.delivery_metrics->send_buffer_bytes, first_sequence_)),
      watchers_(std::make_shared<WatchHub>(environment.limits.max_watchers_per_session, environment.clock)),
      controls_(environment, plan, outbox_),
      next_sequence_(first_sequence_),
      controls_before_(plan.controls_received),
      chunks_sent_(first_sequence_) {}

void ServedSession::SetFirstViewer(std::weak_ptr<SessionViewer> viewer) {
  MutexLock lock(&mutex_);
  viewer_ = std::move(viewer);
}

std::optional<SessionId> ServedSession::scheduled() const {
  MutexLock lock(&mutex_);
  return session_;
}

int64_t ServedSession::chunks_sent() const {
  MutexLock lock(&mutex_);
  return chunks_sent_;
}

int64_t ServedSession::deadline_misses() const {
  MutexLock lock(&mutex_);
  return deadline_misses_;
}

absl::StatusOr<std::shared_ptr<TenantQueue>> ServedSession::TakeTenantPlace(SessionRequest* request) {
  if (caller_.tenant == nullptr) return nullptr;
  AccessMetrics* const metrics = environment_.access.metrics;
  absl::StatusOr<TenantPlace> place = EnterTenant(caller_.tenant, came_at_, metrics);
  if (!place.ok()) return place.status();
  request->floor = FloorFor(*caller_.tenant, *request);
  {
    MutexLock lock(&mutex_);
    if (!over_) tenant_place_ = *std::move(place);
  }
  return std::make_shared<TenantQueue>(caller_.tenant, metrics);
}

absl::Status ServedSession::Submit(SessionPlan plan) {
  const absl::StatusOr<std::shared_ptr<TenantQueue>> queue = TakeTenantPlace(&plan.request);
  if (!queue.ok()) {
    outbox_->End(queue.status());  // for a second call that asks for the same start
    return queue.status();
  }
  Warn(WarningsOf(std::move(plan.warnings), environment_.model->info().max_prompt_tokens), outbox_.get());
  const VideoCodec codec = plan.encoder.output.codec;
  const uint64_t seed = plan.request.seed;
  const auto encoder = std::make_shared<SessionEncoder>([config = plan.encoder] { return CreateChunkEncoder(config); });
  auto stream_sink = std::make_unique<StreamSink>(encoder, plan.encoder, came_at_, outbox_, environment_.clock,
                                                  environment_.delivery_metrics);
  if (resumable_) stream_sink->SetKeeper(weak_from_this());
  std::unique_ptr<SessionSink> sink = std::move(stream_sink);
  if (*queue != nullptr) {
    sink = std::make_unique<TenantSink>(std::move(sink), caller_.tenant, *queue, environment_.clock,
                                        environment_.access.metrics);
  }
  absl::StatusOr<SessionId> session = Guarded("submitting the session", [&] {
    return environment_.scheduler->Submit(std::move(plan.request), std::move(sink));
  });
  if (!session.ok()) {
    outbox_->End(session.status());  // for a second call that asks for the same start
    return session.status();
  }
  LogSessionStarted(name_, caller_, codec, plan.announced_length_chunks, seed);
  {
    MutexLock lock(&mutex_);
    session_ = *session;
  }
  const absl::Status status =
      Guarded("starting the session", [&] { return Begin(*session, encoder.get(), queue->get()); });
  // Whatever has become of it: the thread that delivers its first chunk waits for this.
  encoder->Allow(status);
  if (!status.ok()) environment_.scheduler->Cancel(*session, CallHasEnded());
  return status;
}

absl::Status ServedSession::Begin(SessionId session, SessionEncoder* encoder, TenantQueue* queue) {
  // Where nobody waits it has its place: the encoder is made while the first chunk is denoised. Not before, for whoever
  // is refused has not waited for it, nor has the server; one that waits for its place waits for it, too.
  absl::Status status;
  if (environment_.scheduler->load().waiting_sessions == 0) {
    status = encoder->Prepare();
  } else if (queue != nullptr) {
    status = queue->Enter();
  }
  SetSession(session, status.ok());
  return status;
}

void ServedSession::SetSession(SessionId session, bool may_begin) {
  {
    MutexLock lock(&room_mutex_);
    filling_session_ = session;
    environment_.scheduler->SetTransportRoom(session, room_chunks_);
  }
  bool gone;
  {
    MutexLock lock(&mutex_);
    admitted_ = may_begin;
    gone = over_;
  }
  OnReadable();
  // It was ended while Submit() ran, when there was no id yet to cancel by.
  if (gone) {
    environment_.scheduler->Cancel(session, absl::CancelledError("the client is gone"));
    NoteEnd(absl::CancelledError("the client is gone"));
  }
}

absl::StatusOr<int64_t> ServedSession::Connect(std::weak_ptr<SessionViewer> viewer,
                                               std::optional<int64_t> last_sequence) {
  std::shared_ptr<SessionViewer> before;
  std::optional<SessionId> session;
  int64_t connection;
  {
    MutexLock control_lock(&control_mutex_);
    MutexLock lock(&mutex_);
    absl::StatusOr<int64_t> connected = outbox_->Reconnect(last_sequence);
    if (!connected.ok()) return WithDetails(connected.status(), last_sequence);
    connection = connection_ = *connected;
    before = viewer_.lock();
    viewer_ = std::move(viewer);
    connected_ = true;
    next_sequence_ = last_sequence.value_or(-1) + 1;
    controls_before_ = controls_.received();
    session = session_;
  }
  environment_.directory->EndWait(*this);
  if (before != nullptr) before->OnSuperseded();
  if (session.has_value()) environment_.scheduler->NoteReading(*session);
  return connection;
}

std::optional<StartedEvent> ServedSession::Describe(int64_t connection) {
  MutexLock lock(&mutex_);
  if (!admitted_ || connection != connection_) return std::nullopt;
  StartedEvent started = start_;
  started.resumed = connection != StreamOutbox::kFirstConnection || first_sequence_ > 0;
  started.next_sequence = next_sequence_;
  started.controls_received = controls_before_;
  return started;
}

StartedEvent ServedSession::DescribeToWatcher() const {
  StartedEvent started = start_;
  started.resume_token.clear();
  MutexLock lock(&mutex_);
  started.next_sequence = chunks_sent_;
  return started;
}

void ServedSession::Delivered(int64_t connection) {
  // That a paused session is told that it is waited for is no sign of life of its client.
  if (!outbox_->Delivered(connection)) return;
  std::optional<SessionId> session;
  {
    MutexLock lock(&mutex_);
    if (connection == connection_) session = session_;
  }
  if (session.has_value()) environment_.scheduler->NoteReading(*session);
}

int64_t ServedSession::CountChunk(int64_t connection, const ChunkEvent& chunk, bool late) {
  MutexLock lock(&mutex_);
  if (connection != connection_) return deadline_misses_;
  if (chunk.sequence < chunks_sent_) {
    environment_.rpc_metrics->replayed_chunks_total->Increment();
  } else {
    chunks_sent_ = chunk.sequence + 1;
    if (late) watchers_->SetDeadlineMisses(++deadline_misses_);
  }
  return deadline_misses_;
}

// --- controls ---

absl::Status ServedSession::Control(const v1::StreamVideoRequest& request, std::optional<int64_t> connection) {
  MutexLock control_lock(&control_mutex_);
  SessionId session;
  {
    MutexLock lock(&mutex_);
    if (over_ || !session_.has_value() || connection.value_or(connection_) != connection_) return absl::OkStatus();
    session = *session_;
  }
  return controls_.Take(request, session, /*unary=*/!connection.has_value());
}

// --- SessionKeeper ---

absl::Status ServedSession::DeliverChunk(EarlierChunk chunk, ChunkEvent event) {
  MutexLock control_lock(&control_mutex_);
  const bool scene_start = event.scene_start;
  const int frames = event.frame_count;
  if (absl::Status status = outbox_->Push(std::move(event)); !status.ok()) return status;
  controls_.AddChunk(std::move(chunk), scene_start, frames, scheduled());
  return absl::OkStatus();
}

std::optional<StreamEvent> ServedSession::OnEnding(const absl::Status& status) {
  // Of its own accord, the server says that with; all else is an end for good.
  if (!absl::IsAborted(status)) return std::nullopt;
  MutexLock control_lock(&control_mutex_);
  // Without one where there is no memory for it: that it ends is told in any case.
  absl::StatusOr<SnapshotEvent> snapshot = Guarded(
      "taking a snapshot", [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return controls_.TakeSnapshot(scheduled()); });
  if (!snapshot.ok()) return std::nullopt;
  return *std::move(snapshot);
}

// --- ends ---

void ServedSession::FreeTenantPlace() {
  MutexLock lock(&mutex_);
  if (!connected_) tenant_place_.Release();
}

void ServedSession::NoteEnd(const absl::Status& status) {
  int64_t chunks;
  {
    MutexLock lock(&mutex_);
    if (!session_.has_value() || std::exchange(end_noted_, true)) return;
    chunks = chunks_sent_;
  }
  LogSessionEnded(name_, caller_, status, environment_.log_prompts, chunks, environment_.clock->Now() - came_at_);
}

std::optional<SessionId> ServedSession::Forget() {
  over_ = true;
  connected_ = false;
  tenant_place_.Release();
  environment_.directory->Remove(*this);
  return session_;
}

void ServedSession::Disconnect(int64_t connection, const absl::Status& status) {
  int64_t turn;
  {
    MutexLock lock(&mutex_);
    if (over_ || !connected_ || connection != connection_) return;
    connected_ = false;
    turn = ++wait_turn_;
  }
  const bool kept = resumable_ && environment_.limits.disconnect_grace > absl::ZeroDuration();
  if (!kept) return End(connection, CallHasEnded(), status);
  const bool generated = ending();
  if (generated) FreeTenantPlace();
  if (generated && !absl::IsCancelled(status)) {
    NoteEnd(status);  // its client has heard of it; what is kept is kept in case that this was lost
  } else {
    LogSessionLeft(name_, environment_.limits.disconnect_grace);
  }
  const absl::Status waits = Guarded("waiting for a client", [&] {
    environment_.directory->Wait(*this, turn, generated ? outbox_->held_bytes() : 0);
  });
  // Nobody would end a session that waits where nobody looks.
  if (!waits.ok()) End(connection, CallHasEnded(), waits);
}

void ServedSession::End(std::optional<int64_t> connection, absl::Status why, const absl::Status& told) {
  std::optional<SessionId> session;
  std::shared_ptr<SessionViewer> viewer;
  {
    MutexLock lock(&mutex_);
    if (over_ || connection.value_or(connection_) != connection_) return;
    if (!connection.has_value() && connected_) viewer = viewer_.lock();
    session = Forget();
  }
  NoteEnd(told);
  // Unless they have heard of another end, or are about to: the outbox tells them last of all.
  if (!ending()) {
    Guarded("telling the watchers", [&] {
      watchers_->OnEnd(why, nullptr);
    }).IgnoreError();  // the session ends all the same
  }
  // The call that is connected hears why; what waits for it is of no use to it any more.
  if (viewer != nullptr) {
    outbox_->Drop(why);
    viewer->OnReadable();
  } else {
    outbox_->Close();
  }
  if (session.has_value()) environment_.scheduler->Cancel(*session, std::move(why));
}

void ServedSession::OnGraceOver(int64_t turn) {
  int64_t connection;
  {
    MutexLock lock(&mutex_);
    if (over_ || connected_ || turn != wait_turn_) return;
    connection = connection_;
  }
  const absl::Status why = absl::AbortedError("the client did not come back in time");
  End(connection, why, why);
}

// --- StreamOutbox::Listener ---

void ServedSession::OnReadable() {
  std::shared_ptr<SessionViewer> viewer;
  {
    MutexLock lock(&mutex_);
    if (connected_) viewer = viewer_.lock();
  }
  if (viewer != nullptr) {
    viewer->OnReadable();
  } else if (ending()) {
    FreeTenantPlace();
  }
}

void ServedSession::OnRoomChanged(int chunks) {
  MutexLock lock(&room_mutex_);
  room_chunks_ = chunks;
  if (filling_session_.has_value()) environment_.scheduler->SetTransportRoom(*filling_session_, chunks);
}

}  // namespace videodiffcr
