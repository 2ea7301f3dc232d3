#include "server/rpc/watch_call.h"

#include <utility>

#include "grpcpp/impl/codegen/proto_utils.h"
#include "server/rpc/audit_log.h"
#include "server/rpc/response_conversion.h"
#include "server/rpc/served_session.h"
#include "server/rpc/session_directory.h"
#include "server/rpc/session_requests.h"
#include "server/rpc/status_conversion.h"
#include "system/guarded.h"

namespace videodiffcr {

std::shared_ptr<WatchCall> WatchCall::Create(Caller caller, const CallEnvironment& environment,
                                             CallTransport* transport) {
  return std::shared_ptr<WatchCall>(new WatchCall(std::move(caller), environment, transport));
}

WatchCall::WatchCall(Caller caller, const CallEnvironment& environment, CallTransport* transport)
    : caller_(std::move(caller)), environment_(environment), transport_(transport) {}

WatchCall::~WatchCall() = default;

void WatchCall::Start(const v1::WatchSessionRequest& request) {
  {
    MutexLock lock(&mutex_);
    if (finished_) return;
    started_ = true;
  }
  absl::Status status = Guarded("watching a session", [&] { return TryStart(request); });
  if (!status.ok()) Fail(std::move(status));
}

absl::Status WatchCall::TryStart(const v1::WatchSessionRequest& request) {
  const absl::StatusOr<std::shared_ptr<ServedSession>> session = FindWatchedSession(environment_, caller_, request);
  if (!session.ok()) return session.status();
  absl::StatusOr<WatcherRegistry::Slot> slot = environment_.watcher_registry->Enter();
  if (!slot.ok()) return slot.status();
  grpc::ByteBuffer started;
  bool own_buffer;
  grpc::SerializationTraits<v1::StreamVideoResponse>::Serialize(ToResponse((*session)->DescribeToWatcher()), &started,
                                                                &own_buffer);
  {
    MutexLock lock(&mutex_);
    if (finished_) return absl::OkStatus();
    slot_ = *std::move(slot);
    writing_ = true;  // so that no chunk goes out before `started`
  }
  // What is thrown here comes back as well: a call that waits for a write which never was is not ended.
  absl::Status joined = Guarded("watching a session", [&] { return (*session)->watchers().Add(weak_from_this()); });
  MutexLock lock(&mutex_);
  if (finished_) return absl::OkStatus();
  if (!joined.ok()) {
    writing_ = false;
    return joined;
  }
  watched_ = true;
  LogSessionWatched((*session)->name(), caller_);
  response_ = std::move(started);
  transport_->Write(&response_);
  return absl::OkStatus();
}

void WatchCall::OnChunk(const grpc::ByteBuffer& bytes) {
  MutexLock lock(&mutex_);
  if (finished_ || end_.has_value()) return;
  if (waiting_.size() >= kMaxWaiting) {
    const auto skipped = waiting_.begin() + (took_chunk_ ? 0 : 1);
    environment_.rpc_metrics->watch_chunks_skipped_total->Increment(static_cast<double>(waiting_.end() - skipped));
    waiting_.erase(skipped, waiting_.end());
  }
  auto* const waiting = &waiting_;  // by a name of its own: clang does not see inside a lambda that the mutex is held
  const absl::Status kept = Guarded("keeping a chunk for a watcher", [&] {
    waiting->push_back(bytes);
    return absl::OkStatus();
  });
  if (kept.ok()) Pump();  // else it misses it, which is nothing to the session
}

void WatchCall::OnEnd(const absl::Status& status, const grpc::ByteBuffer* finished) {
  MutexLock lock(&mutex_);
  if (finished_ || end_.has_value()) return;
  end_ = status;
  if (finished != nullptr) last_ = *finished;
  Pump();
  if (writing_ && environment_.idle_timeout > absl::ZeroDuration()) transport_->SetAlarm(environment_.idle_timeout);
}

void WatchCall::Pump() {
  if (writing_ || finished_) return;
  if (!waiting_.empty()) {
    response_ = std::move(waiting_.front());
    waiting_.pop_front();
    took_chunk_ = true;
  } else if (last_.has_value()) {
    response_ = *std::exchange(last_, std::nullopt);
  } else {
    if (end_.has_value()) FinishLocked(*end_);
    return;
  }
  writing_ = true;
  transport_->Write(&response_);
}

void WatchCall::OnWriteDone(bool ok) {
  MutexLock lock(&mutex_);
  writing_ = false;
  if (ok) Pump();
}

void WatchCall::Fail(absl::Status status) {
  MutexLock lock(&mutex_);
  if (finished_) return;
  waiting_.clear();
  last_.reset();
  end_ = std::move(status);
  Pump();  // or after the write in flight
}

void WatchCall::FailUnstarted(absl::Status status) {
  {
    MutexLock lock(&mutex_);
    if (started_) return;
  }
  Fail(std::move(status));
}

void WatchCall::OnCancel() {
  MutexLock lock(&mutex_);
  if (!finished_) FinishLocked(absl::CancelledError("the client cancelled or is gone"));
}

void WatchCall::OnAlarm() {
  MutexLock lock(&mutex_);
  if (!finished_) transport_->Cut();
}

void WatchCall::FinishLocked(const absl::Status& status) {
  finished_ = true;
  waiting_.clear();
  slot_.Release();
  environment_.rpc_metrics->CountCall(RpcMethod::kWatchSession, status.code());
  if (!watched_) LogCallRefused(caller_, status, environment_.log_prompts);
  transport_->Finish(ToGrpcStatus(status));
}

}  // namespace videodiffcr
