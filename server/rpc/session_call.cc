#include "server/rpc/session_call.h"

#include <atomic>
#include <future>
#include <random>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/delivery/stream_sink.h"
#include "server/logging/log_line.h"
#include "server/media/encoder.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/error_details.h"
#include "server/rpc/response_conversion.h"
#include "server/rpc/status_conversion.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

// Random, so that names of one server's sessions do not meet those of another in the same log store.
std::string NewSessionName() {
  std::random_device random;
  return absl::StrCat("session-", absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

uint64_t NewSeed() {
  std::random_device random;
  const uint64_t seed = (uint64_t{random()} << 32) | random();
  return seed == 0 ? 1 : seed;
}

ControlType TypeOf(const v1::StreamVideoRequest& request) {
  switch (request.request_case()) {
    case v1::StreamVideoRequest::kUpdate:
      return ControlType::kUpdate;
    case v1::StreamVideoRequest::kCredit:
      return ControlType::kCredit;
    case v1::StreamVideoRequest::kPause:
      return ControlType::kPause;
    case v1::StreamVideoRequest::kUnpause:
      return ControlType::kUnpause;
    case v1::StreamVideoRequest::kSceneCut:
      return ControlType::kSceneCut;
    case v1::StreamVideoRequest::kFinish:
      return ControlType::kFinish;
    default:
      return ControlType::kUnknown;
  }
}

bool CameTooLate(const absl::Status& status) { return absl::IsNotFound(status) || absl::IsFailedPrecondition(status); }

}  // namespace

std::shared_ptr<SessionCall> SessionCall::Create(RpcMethod method, Caller caller, const CallEnvironment& environment,
                                                 CallTransport* transport) {
  std::shared_ptr<SessionCall> call(new SessionCall(method, std::move(caller), environment, transport));
  call->outbox_->SetListener(call);
  return call;
}

SessionCall::SessionCall(RpcMethod method, Caller caller, const CallEnvironment& environment, CallTransport* transport)
    : method_(method),
      caller_(std::move(caller)),
      environment_(environment),
      name_(NewSessionName()),
      outbox_(
          std::make_shared<StreamOutbox>(environment.outbox_limits, environment.delivery_metrics->send_buffer_bytes)),
      control_allowance_(environment.limits.control_messages_per_second, environment.limits.control_message_burst,
                         environment.clock->Now()),
      transport_(transport) {}

bool SessionCall::started() const {
  MutexLock lock(&mutex_);
  return started_;
}

void SessionCall::Start(const v1::SessionConfig& config) {
  const absl::Time came_at = environment_.clock->Now();
  {
    MutexLock lock(&mutex_);
    if (finished_ || failure_.has_value()) return;
    started_ = true;
    first_message_at_ = came_at;
  }
  absl::Status status = Guarded("starting the session", [&] { return TryStart(config, came_at); });
  if (!status.ok()) Fail(std::move(status));
}

absl::Status SessionCall::TryStart(const v1::SessionConfig& config, absl::Time came_at) {
  const bool one_clip = method_ == RpcMethod::kGenerateVideo;
  absl::StatusOr<SessionPlan> plan = ConvertConfig(config, one_clip, *environment_.model, environment_.limits);
  if (!plan.ok()) return plan.status();
  if (plan->request.seed == 0) plan->request.seed = NewSeed();
  absl::StatusOr<SessionRegistry::Slot> slot = environment_.registry->Enter(caller_.connection, plan->request_id);
  if (!slot.ok()) return slot.status();
  {
    MutexLock lock(&mutex_);
    slot_ = *std::move(slot);
  }
  std::shared_ptr<TenantQueue> queue;
  if (caller_.tenant != nullptr) {
    absl::StatusOr<TenantPlace> place = EnterTenant(caller_.tenant, came_at, environment_.access.metrics);
    if (!place.ok()) return place.status();
    plan->request.floor = FloorFor(*caller_.tenant, plan->request);
    queue = std::make_shared<TenantQueue>(caller_.tenant, environment_.access.metrics);
    MutexLock lock(&mutex_);
    tenant_place_ = *std::move(place);
  }
  // Into the outbox before Submit(), so that nothing of the session can come before it; Pump() holds it until
  // admission.
  if (absl::Status status = outbox_->Push(DescribeStart(*plan)); !status.ok()) return status;
  WarnUnknownWords(std::move(plan->unknown_words));
  WarnCutPrompt(plan->cut_prompt_tokens);
  const VideoCodec codec = plan->encoder.output.codec;
  const uint64_t seed = plan->request.seed;
  std::promise<StreamSink::MadeEncoder> encoder;
  std::unique_ptr<SessionSink> sink =
      std::make_unique<StreamSink>(encoder.get_future(), codec, plan->encoder.frames_per_second, came_at, outbox_,
                                   environment_.clock, environment_.delivery_metrics);
  if (queue != nullptr) {
    sink = std::make_unique<TenantSink>(std::move(sink), caller_.tenant, queue, environment_.clock,
                                        environment_.access.metrics);
  }
  absl::StatusOr<SessionId> session = environment_.scheduler->Submit(std::move(plan->request), std::move(sink));
  if (!session.ok()) return session.status();
  LogSessionStarted(name_, caller_, codec, plan->announced_length_chunks, seed);
  // Only now: whoever is refused has not waited for it, nor has the server.
  StreamSink::MadeEncoder made = Guarded("making the encoder", [&] { return CreateChunkEncoder(plan->encoder); });
  absl::Status status = made.status();
  if (status.ok() && queue != nullptr && environment_.scheduler->load().waiting_sessions > 0) status = queue->Enter();
  SetSession(*session, made.ok() ? (*made)->codec_string() : "", status.ok());
  encoder.set_value(std::move(made));
  return status;
}

StartedEvent SessionCall::DescribeStart(const SessionPlan& plan) const {
  const ModelInfo& model = environment_.model->info();
  StartedEvent started;
  started.session_name = name_;
  started.seed = plan.request.seed;
  started.width = plan.encoder.width;
  started.height = plan.encoder.height;
  started.frames_per_second = plan.encoder.frames_per_second;
  started.first_chunk_frames = model.first_chunk_frames;
  started.chunk_frames = model.chunk_frames;
  started.output = plan.encoder.output;
  started.model = model.name;
  started.length_chunks = plan.announced_length_chunks;
  started.target = plan.request.target;
  return started;
}

void SessionCall::SetSession(SessionId session, const std::string& codec_string, bool may_begin) {
  {
    MutexLock lock(&blocked_mutex_);
    blockable_session_ = session;
    if (blocked_) environment_.scheduler->SetTransportBlocked(session, true);
  }
  bool gone;
  absl::Status sent;
  {
    MutexLock lock(&mutex_);
    session_ = session;
    codec_string_ = codec_string;
    admitted_ = may_begin;
    gone = finished_ || failure_.has_value();
    sent = Pump();
  }
  if (!sent.ok()) Fail(std::move(sent));
  // The client left while Submit() ran, when there was no id yet to cancel by.
  if (gone) environment_.scheduler->Cancel(session, absl::CancelledError("the client is gone"));
}

void SessionCall::Control(const v1::StreamVideoRequest& request) {
  SessionId session;
  {
    MutexLock lock(&mutex_);
    if (finished_ || failure_.has_value() || !session_.has_value()) return;
    session = *session_;
  }
  absl::Status status;
  if (control_allowance_.Take(environment_.clock->Now())) {
    status = Guarded("a control message", [&] { return TryControl(request, session); });
  } else {
    const RpcLimits& limits = environment_.limits;
    const std::string allowed =
        absl::StrCat("at most ", limits.control_messages_per_second, " control messages per second, ",
                     limits.control_message_burst, " at once");
    status = WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat("too many control messages: ", allowed)),
                           "CONTROL_RATE_EXCEEDED");
    status = WithQuotaFailure(WithRetryInfo(std::move(status), absl::Seconds(1)), "stream", allowed);
  }
  if (CameTooLate(status)) {
    environment_.rpc_metrics->CountControl(TypeOf(request), ControlResult::kTooLate);
    // Credits and pauses that cross the end on their way change nothing; a change that is not made should be known.
    const ControlType type = TypeOf(request);
    if (type == ControlType::kUpdate || type == ControlType::kSceneCut) {
      Warn("CHANGE_TOO_LATE", "the session is ending; this change was not made", {});
    }
    return;
  }
  environment_.rpc_metrics->CountControl(TypeOf(request),
                                         status.ok() ? ControlResult::kAccepted : ControlResult::kRejected);
  if (!status.ok()) Fail(std::move(status));
}

absl::Status SessionCall::TryControl(const v1::StreamVideoRequest& request, SessionId session) {
  Scheduler* const scheduler = environment_.scheduler;
  switch (request.request_case()) {
    case v1::StreamVideoRequest::kUpdate:
      return ChangeSession(ConvertUpdate(request.update(), *environment_.model, environment_.limits), session);
    case v1::StreamVideoRequest::kSceneCut:
      return ChangeSession(ConvertSceneCut(request.scene_cut(), *environment_.model, environment_.limits), session);
    case v1::StreamVideoRequest::kCredit: {
      const absl::StatusOr<CheckedCredits> credits = ConvertCredit(request.credit());
      return credits.ok() ? scheduler->AddCredits(session, credits->chunks, credits->bytes) : credits.status();
    }
    case v1::StreamVideoRequest::kPause:
      return scheduler->Pause(session);
    case v1::StreamVideoRequest::kUnpause:
      return scheduler->Unpause(session);
    case v1::StreamVideoRequest::kFinish:
      return scheduler->Finish(session);
    case v1::StreamVideoRequest::kConfig:
      return FieldError("CONFIG_REPEATED", "config", request.config().prompt(),
                        "may only be the first message; open another stream for another session");
    case v1::StreamVideoRequest::REQUEST_NOT_SET:
      break;
  }
  return FieldError("REQUEST_NOT_SET", "request", "",
                    "must hold one of update, credit, pause, unpause, scene_cut, finish");
}

absl::Status SessionCall::ChangeSession(absl::StatusOr<CheckedChange> change, SessionId session) {
  if (!change.ok()) return change.status();
  absl::Status status = environment_.scheduler->Change(session, std::move(change->change));
  if (status.ok()) WarnUnknownWords(std::move(change->unknown_words));
  if (status.ok()) WarnCutPrompt(change->cut_prompt_tokens);
  if (absl::IsResourceExhausted(status)) return WithErrorInfo(std::move(status), "TOO_MANY_CHANGES");
  return status;
}

void SessionCall::Warn(std::string reason, std::string message, std::vector<std::string> details) {
  // No room for a warning means that the viewer does not read; the next chunk ends the session for it.
  outbox_->Push(WarningEvent{std::move(reason), std::move(message), std::move(details)}).IgnoreError();
}

void SessionCall::WarnUnknownWords(std::vector<std::string> unknown_words) {
  if (unknown_words.empty()) return;
  std::string message = absl::StrCat("the model does not know: ", absl::StrJoin(unknown_words, ", "),
                                     "; GetServerInfo lists the words it knows");
  Warn("UNKNOWN_WORDS", std::move(message), std::move(unknown_words));
}

void SessionCall::WarnCutPrompt(int tokens) {
  if (tokens == 0) return;
  Warn("PROMPT_CUT",
       absl::StrCat("the last ", tokens, " tokens of the prompt were cut: the model takes at most ",
                    environment_.model->info().max_prompt_tokens, " with the end token"),
       {absl::StrCat(tokens)});
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

void SessionCall::OnBlockedChanged(bool blocked) {
  MutexLock lock(&blocked_mutex_);
  blocked_ = blocked;
  if (blockable_session_.has_value()) environment_.scheduler->SetTransportBlocked(*blockable_session_, blocked);
}

void SessionCall::WatchLastBytes() {
  const bool over = failure_.has_value() || outbox_->ending();
  if (over && writing_ && !finished_ && environment_.idle_timeout > absl::ZeroDuration()) {
    transport_->SetAlarm(environment_.idle_timeout);
  }
}

void SessionCall::OnAlarm() {
  MutexLock lock(&mutex_);
  if (finished_) return;
  Log({LogLevel::kWarning, "session_cut_off", "its client takes nothing of what is left", {{"session", name_}}});
  transport_->Cut();
}

absl::Status SessionCall::Pump() {
  if (!admitted_ || writing_ || finished_) return absl::OkStatus();
  std::optional<StreamEvent> event = outbox_->Take();
  if (!event.has_value()) {
    if (const std::optional<absl::Status> end = outbox_->Ended(); end.has_value()) FinishLocked(*end);
    return absl::OkStatus();
  }
  if (auto* started = std::get_if<StartedEvent>(&*event)) started->codec_string = codec_string_;
  const absl::Time now = environment_.clock->Now();
  if (const auto* chunk = std::get_if<ChunkEvent>(&*event)) {
    ++chunks_written_;
    if (chunk->deadline.has_value() && now > *chunk->deadline) ++deadline_misses_;
  }
  // By names of their own: clang does not see inside a lambda that the mutex is held.
  const int64_t misses = deadline_misses_;
  grpc::ByteBuffer* const bytes = &response_;
  absl::Status packed = Guarded("packing a response", [&] {
    const v1::StreamVideoResponse response = ToResponse(*std::move(event), now, misses);
    bool own_buffer;
    bytes->Clear();
    grpc::SerializationTraits<v1::StreamVideoResponse>::Serialize(response, bytes, &own_buffer);
    return absl::OkStatus();
  });
  if (!packed.ok()) return packed;
  writing_ = true;
  transport_->Write(&response_);
  return absl::OkStatus();
}

void SessionCall::OnWriteDone(bool ok) {
  // Before the mutex: the outbox may tell OnBlockedChanged() from here.
  outbox_->Delivered();
  std::optional<SessionId> session;
  absl::Status sent;
  {
    MutexLock lock(&mutex_);
    writing_ = false;
    if (finished_) return;
    if (failure_.has_value()) return FinishLocked(*failure_);
    // A write that failed means that the connection is gone; OnCancel() comes and ends the call.
    if (!ok) return;
    sent = Pump();
    WatchLastBytes();
    session = session_;
  }
  if (!sent.ok()) return Fail(std::move(sent));
  if (session.has_value()) environment_.scheduler->NoteReading(*session);
}

void SessionCall::Fail(absl::Status status) { FailIf(/*may_have_started=*/true, std::move(status)); }

void SessionCall::FailUnstarted(absl::Status status) { FailIf(/*may_have_started=*/false, std::move(status)); }

void SessionCall::FailIf(bool may_have_started, absl::Status status) {
  std::optional<SessionId> session;
  {
    MutexLock lock(&mutex_);
    if (finished_ || failure_.has_value() || (started_ && !may_have_started)) return;
    session = session_;
    if (writing_) {
      failure_ = std::move(status);
      WatchLastBytes();
    } else {
      FinishLocked(status);
    }
  }
  outbox_->Close();
  if (session.has_value()) environment_.scheduler->Cancel(*session, absl::CancelledError("the call has ended"));
}

void SessionCall::OnCancel() {
  const absl::Status why = absl::CancelledError("the client cancelled or is gone");
  std::optional<SessionId> session;
  {
    MutexLock lock(&mutex_);
    session = session_;
    // First, so that the client's place is free once its session is.
    if (!finished_) FinishLocked(why);
  }
  outbox_->Close();
  if (session.has_value()) environment_.scheduler->Cancel(*session, why);
}

void SessionCall::FinishLocked(const absl::Status& status) {
  finished_ = true;
  // Before the client hears of the end, so that it may use its place and its request id again at once.
  slot_.Release();
  tenant_place_.Release();
  const grpc::Status answer = ToGrpcStatus(status);
  environment_.rpc_metrics->CountCall(method_, status.code());
  const absl::Duration lasted = environment_.clock->Now() - first_message_at_;
  if (session_.has_value()) {
    LogSessionEnded(name_, caller_, status, environment_.log_prompts, chunks_written_, lasted);
  } else {
    LogCallRefused(caller_, status, environment_.log_prompts);
  }
  transport_->Finish(answer);
}

}  // namespace videodiffcr
