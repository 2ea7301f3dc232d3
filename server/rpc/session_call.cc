#include "server/rpc/session_call.h"

#include <random>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "proto/status_details.h"
#include "server/logging/log_line.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/error_details.h"
#include "server/rpc/response_conversion.h"
#include "server/rpc/session_directory.h"
#include "server/rpc/session_requests.h"
#include "server/rpc/session_snapshot.h"
#include "server/rpc/status_conversion.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

uint64_t NewSeed() {
  std::random_device random;
  const uint64_t seed = (uint64_t{random()} << 32) | random();
  return seed == 0 ? 1 : seed;
}

ResumeResult ResultOf(const absl::Status& status) {
  if (status.ok()) return ResumeResult::kResumed;
  if (absl::IsDataLoss(status)) return ResumeResult::kLost;
  return absl::IsUnauthenticated(status) ? ResumeResult::kUnauthenticated : ResumeResult::kRefused;
}

absl::Status RequestIdInUse(const std::string& request_id) {
  return WithErrorInfo(
      absl::AlreadyExistsError(absl::StrCat("config.request_id: a session with id \"", request_id,
                                            "\" is there; use another id for another session, or ask for the same one "
                                            "with resumable set, both times")),
      "REQUEST_ID_IN_USE", {{"field", "config.request_id"}, {"value", request_id}});
}

}  // namespace

std::shared_ptr<SessionCall> SessionCall::Create(RpcMethod method, Caller caller, const CallEnvironment& environment,
                                                 CallTransport* transport) {
  return std::shared_ptr<SessionCall>(new SessionCall(method, std::move(caller), environment, transport));
}

SessionCall::SessionCall(RpcMethod method, Caller caller, const CallEnvironment& environment, CallTransport* transport)
    : method_(method), caller_(std::move(caller)), environment_(environment), transport_(transport) {}

bool SessionCall::started() const {
  MutexLock lock(&mutex_);
  return started_;
}

bool SessionCall::TakeFirstMessage() {
  MutexLock lock(&mutex_);
  if (finished_ || failure_.has_value()) return false;
  started_ = true;
  return true;
}

void SessionCall::Start(const v1::SessionConfig& config) {
  const absl::Time came_at = environment_.clock->Now();
  if (!TakeFirstMessage()) return;
  absl::Status status = Guarded("starting the session", [&] { return TryStart(config, came_at); });
  if (!status.ok()) Fail(std::move(status));
}

void SessionCall::Resume(const v1::ResumeRequest& resume) {
  const absl::Time came_at = environment_.clock->Now();
  if (!TakeFirstMessage()) return;
  absl::Status status = Guarded("resuming the session",
                                [&] { return resume.has_snapshot() ? TryGoOn(resume, came_at) : TryResume(resume); });
  environment_.rpc_metrics->CountResume(ResultOf(status));
  if (!status.ok()) Fail(std::move(status));
}

absl::Status SessionCall::EnterRegistry() {
  absl::StatusOr<SessionRegistry::Slot> slot = environment_.registry->Enter(caller_.connection);
  if (!slot.ok()) return slot.status();
  MutexLock lock(&mutex_);
  slot_ = *std::move(slot);
  return absl::OkStatus();
}

absl::Status SessionCall::TryStart(const v1::SessionConfig& config, absl::Time came_at) {
  const bool one_clip = method_ == RpcMethod::kGenerateVideo;
  absl::StatusOr<SessionPlan> plan = ConvertConfig(config, one_clip, *environment_.model, environment_.limits);
  if (!plan.ok()) return plan.status();
  return Begin(*std::move(plan), config.request_id().empty() ? "" : config.SerializeAsString(), came_at);
}

absl::Status SessionCall::Begin(SessionPlan plan, std::string fingerprint, absl::Time came_at) {
  if (absl::Status status = EnterRegistry(); !status.ok()) return status;
  if (plan.request.seed == 0) plan.request.seed = NewSeed();
  const std::shared_ptr<ServedSession> session =
      ServedSession::Create(environment_, plan, caller_, std::move(fingerprint), came_at);
  // The viewer first: a second start with the same id may find the session as soon as it is in the directory.
  session->SetFirstViewer(weak_from_this());
  if (const std::shared_ptr<DirectoryEntry> before = environment_.directory->Add(session); before != nullptr) {
    const auto running = std::static_pointer_cast<ServedSession>(before);
    if (!running->resumable() || running->fingerprint() != session->fingerprint()) {
      return RequestIdInUse(plan.request_id);
    }
    absl::Status status = ConnectTo(running, std::nullopt);
    environment_.rpc_metrics->CountResume(ResultOf(status));
    return status;
  }
  bool gone;
  {
    MutexLock lock(&mutex_);
    session_ = session;
    gone = finished_;
  }
  if (gone) session->Disconnect(StreamOutbox::kFirstConnection, absl::CancelledError("the client is gone"));
  return session->Submit(std::move(plan));
}

absl::Status SessionCall::TryGoOn(const v1::ResumeRequest& resume, absl::Time came_at) {
  if (!resume.resume_token().empty() || resume.has_last_sequence()) {
    return FieldError(error_reason::kOutOfRange, "resume.snapshot", "",
                      "comes alone: the snapshot says which session it is and which chunk comes next");
  }
  const absl::StatusOr<v1::SnapshotState> state = environment_.snapshot_seal->Open(resume.snapshot());
  if (!state.ok()) return state.status();
  absl::StatusOr<SessionPlan> plan = PlanFromSnapshot(*state, method_ == RpcMethod::kGenerateVideo, *environment_.model,
                                                      environment_.limits, absl::Now());
  if (!plan.ok()) return plan.status();
  return Begin(*std::move(plan), "", came_at);
}

absl::StatusOr<std::shared_ptr<ServedSession>> SessionCall::FindSession(const v1::ResumeRequest& resume) const {
  const std::optional<std::string> name =
      environment_.tokens->SessionOf(TokenKind::kControl, resume.resume_token(), TenantName(caller_));
  if (!name.has_value()) {
    return RefuseToken(*environment_.tokens, "resume.resume_token", resume.resume_token(), absl::StatusCode::kDataLoss,
                       WithErrorInfo(absl::UnauthenticatedError("resume.resume_token: is not one that this server gave "
                                                                "out; start a new session"),
                                     error_reason::kResumeTokenInvalid, {{"field", "resume.resume_token"}}));
  }
  const std::shared_ptr<DirectoryEntry> session = environment_.directory->Find(*name);
  if (session == nullptr) {
    return WithErrorInfo(absl::DataLossError(absl::StrCat(*name, " is over, and nothing of it is kept any more")),
                         error_reason::kReplayWindowLost);
  }
  return std::static_pointer_cast<ServedSession>(session);
}

absl::Status SessionCall::TryResume(const v1::ResumeRequest& resume) {
  std::optional<int64_t> last_sequence;
  if (resume.has_last_sequence()) {
    last_sequence = resume.last_sequence();
    if (*last_sequence < 0) {
      return FieldError(error_reason::kOutOfRange, "resume.last_sequence", absl::StrCat(*last_sequence),
                        "must be at least 0; leave it out if no chunk has arrived");
    }
  }
  const absl::StatusOr<std::shared_ptr<ServedSession>> session = FindSession(resume);
  if (!session.ok()) return session.status();
  if (absl::Status status = EnterRegistry(); !status.ok()) return status;
  return ConnectTo(*session, last_sequence);
}

absl::Status SessionCall::ConnectTo(const std::shared_ptr<ServedSession>& session,
                                    std::optional<int64_t> last_sequence) {
  const absl::StatusOr<int64_t> connection = session->Connect(weak_from_this(), last_sequence);
  if (!connection.ok()) return connection.status();
  bool gone;
  {
    MutexLock lock(&mutex_);
    session_ = session;
    session_connection_ = *connection;
    gone = finished_;
  }
  LogSessionResumed(session->name(), caller_, last_sequence.value_or(-1) + 1);
  if (gone) session->Disconnect(*connection, absl::CancelledError("the client is gone"));
  OnReadable();
  return absl::OkStatus();
}

void SessionCall::Control(const v1::StreamVideoRequest& request) {
  std::shared_ptr<ServedSession> session;
  int64_t connection;
  {
    MutexLock lock(&mutex_);
    if (finished_ || failure_.has_value() || session_ == nullptr) return;
    session = session_;
    connection = session_connection_;
  }
  absl::Status status = session->Control(request, connection);
  if (!status.ok()) Fail(std::move(status));
}

void SessionCall::ReadNext() {
  MutexLock lock(&mutex_);
  if (!finished_) transport_->Read();
}

void SessionCall::OnReadable() {
  absl::Status sent;
  {
    MutexLock lock(&mutex_);
    sent = Pump();
    WatchLastBytes();
  }
  if (!sent.ok()) Fail(std::move(sent));
}

void SessionCall::WatchLastBytes() {
  const bool over = failure_.has_value() || (session_ != nullptr && session_->ending());
  if (over && writing_ && !finished_ && environment_.idle_timeout > absl::ZeroDuration()) {
    transport_->SetAlarm(environment_.idle_timeout);
  }
}

void SessionCall::OnAlarm() {
  MutexLock lock(&mutex_);
  if (finished_) return;
  Log({LogLevel::kWarning,
       "session_cut_off",
       "its client takes nothing of what is left",
       {{"session", session_ == nullptr ? "" : session_->name()}}});
  transport_->Cut();
}

absl::Status SessionCall::Pump() {
  // gRPC would swallow what is thrown, and nothing would come to write any more.
  return Guarded("sending a response", [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return TryPump(); });
}

absl::Status SessionCall::TryPump() {
  if (session_ == nullptr || writing_ || finished_) return absl::OkStatus();
  if (!told_started_) {
    if (std::optional<StartedEvent> started = session_->Describe(session_connection_); started.has_value()) {
      told_started_ = true;
      return PackStarted(*std::move(started));
    }
    // Refused before it had begun, on the call that asked for it first.
    const std::optional<absl::Status> end = session_->Ended(session_connection_);
    if (end.has_value() && !end->ok()) FinishLocked(*end);
    return absl::OkStatus();
  }
  if (std::optional<OutgoingEvent> event = session_->Take(session_connection_); event.has_value()) {
    return PackEvent(*std::move(event));
  }
  if (const std::optional<absl::Status> end = session_->Ended(session_connection_); end.has_value()) FinishLocked(*end);
  return absl::OkStatus();
}

absl::Status SessionCall::PackStarted(StartedEvent started) {
  // By a name of its own: clang does not see inside a lambda that the mutex is held.
  grpc::ByteBuffer* const bytes = &response_;
  absl::Status packed = Guarded("packing a response", [&] {
    bool own_buffer;
    bytes->Clear();
    grpc::SerializationTraits<v1::StreamVideoResponse>::Serialize(ToResponse(std::move(started)), bytes, &own_buffer);
  });
  if (!packed.ok()) return packed;
  writing_ = true;
  writing_event_ = false;
  transport_->Write(&response_);
  return absl::OkStatus();
}

absl::Status SessionCall::PackEvent(OutgoingEvent event) {
  const absl::Time now = environment_.clock->Now();
  int64_t misses = 0;
  if (const auto* chunk = std::get_if<ChunkEvent>(event.event.get())) {
    misses = session_->CountChunk(session_connection_, *chunk, chunk->deadline.has_value() && now > *chunk->deadline);
  } else if (std::holds_alternative<FinishedEvent>(*event.event)) {
    misses = session_->deadline_misses();
  }
  grpc::ByteBuffer* const bytes = &response_;
  absl::Status packed = Guarded("packing a response", [&] {
    // An event that others hold is copied, one that nobody else does is used up.
    const bool own = event.event.use_count() == 1;
    v1::StreamVideoResponse response =
        own ? ToResponse(std::move(*event.event), now, misses) : ToResponse(*event.event, now, misses);
    response.set_event_number(event.number);
    bool own_buffer;
    bytes->Clear();
    grpc::SerializationTraits<v1::StreamVideoResponse>::Serialize(response, bytes, &own_buffer);
    return absl::OkStatus();
  });
  if (!packed.ok()) return packed;
  writing_ = true;
  writing_event_ = true;
  transport_->Write(&response_);
  return absl::OkStatus();
}

void SessionCall::OnWriteDone(bool ok) {
  std::shared_ptr<ServedSession> session;
  int64_t connection;
  bool was_event;
  {
    MutexLock lock(&mutex_);
    session = session_;
    connection = session_connection_;
    was_event = std::exchange(writing_event_, false);
  }
  // Without the mutex: the outbox may tell of its watermarks from here. What a broken connection took is not delivered:
  // the session keeps it for the next one.
  absl::Status sent;
  if (was_event && (ok || !session->resumable())) {
    sent = Guarded("noting a delivery", [&] { session->Delivered(connection); });
  }
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    if (finished_) return;
    if (failure_.has_value()) return FinishLocked(*failure_);
    // A write that failed means that the connection is gone; OnCancel() comes and ends the call.
    if (!ok) return;
    if (sent.ok()) sent = Pump();
    WatchLastBytes();
  }
  if (!sent.ok()) Fail(std::move(sent));
}

void SessionCall::Fail(absl::Status status) {
  FailIf(/*may_have_started=*/true, /*end_session=*/true, std::move(status));
}

void SessionCall::FailUnstarted(absl::Status status) {
  FailIf(/*may_have_started=*/false, /*end_session=*/true, std::move(status));
}

void SessionCall::OnSuperseded() {
  FailIf(/*may_have_started=*/true, /*end_session=*/false,
         WithErrorInfo(absl::AbortedError("another call goes on with this session"), "SUPERSEDED"));
}

void SessionCall::FailIf(bool may_have_started, bool end_session, absl::Status status) {
  MutexLock lock(&mutex_);
  if (finished_ || failure_.has_value() || (started_ && !may_have_started)) return;
  if (end_session && session_ != nullptr) {
    ServedSession* const session = session_.get();
    Guarded("ending the session", [&, connection = session_connection_] {
      session->End(connection, CallHasEnded(), status);
    }).IgnoreError();  // and the call in any case
  }
  if (writing_) {
    slot_.Release();  // it has no session any more, however long its client takes to read the last write
    failure_ = std::move(status);
    WatchLastBytes();
  } else {
    FinishLocked(status);
  }
}

void SessionCall::OnCancel() {
  MutexLock lock(&mutex_);
  if (!finished_) FinishLocked(StatusOf(absl::StatusCode::kCancelled, "the client cancelled or is gone"));
}

void SessionCall::FinishLocked(const absl::Status& status) {
  finished_ = true;
  // Before the client hears of the end, so that it may use its place and its request id again at once.
  slot_.Release();
  const grpc::Status answer = ToGrpcStatus(status);
  if (session_ == nullptr || !session_->submitted()) LogCallRefused(caller_, status, environment_.log_prompts);
  // Whatever is thrown: a call that is not ended now never is.
  ServedSession* const session = session_.get();
  Guarded("leaving the session", [&, connection = session_connection_] {
    if (session != nullptr) session->Disconnect(connection, status);
    environment_.rpc_metrics->CountCall(method_, status.code());
  }).IgnoreError();
  transport_->Finish(answer);
}

}  // namespace videodiffcr
