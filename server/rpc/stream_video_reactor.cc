#include "server/rpc/stream_video_reactor.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/steady_deadline.h"
#include "system/guarded.h"

namespace videodiffcr {

StreamVideoReactor::StreamVideoReactor(grpc::CallbackServerContext* context, const CallEnvironment& environment,
                                       CallGate* gate)
    : context_(context),
      environment_(environment),
      gate_(gate),
      call_(SessionCall::Create(RpcMethod::kStreamVideo, context->peer(), environment, this)) {
  const absl::Duration timeout = environment_.limits.first_message_timeout;
  // The alarm outlives neither its call nor this object by its own doing, but its callback may run late: hence weak.
  first_message_alarm_.Set(SteadyDeadline(timeout), [weak = std::weak_ptr<SessionCall>(call_), timeout](bool expired) {
    const std::shared_ptr<SessionCall> call = weak.lock();
    if (!expired || call == nullptr || call->started()) return;
    call->Fail(WithErrorInfo(
        absl::DeadlineExceededError(absl::StrCat("no first message within ", absl::FormatDuration(timeout),
                                                 "; send `config` when you open the stream")),
        "FIRST_MESSAGE_TIMEOUT"));
  });
  call_->ReadNext();
}

void StreamVideoReactor::OnReadDone(bool ok) {
  if (!ok) {
    // The client closed its side: a session goes on, but one that never began cannot. After a cancel OnCancel()
    // decides.
    if (!call_->started() && !context_->IsCancelled()) {
      call_->Fail(FieldError("CONFIG_MISSING", "config", "",
                             "must be the first message, but the stream was closed without one"));
    }
    return;
  }
  const bool first = !call_->started();
  const RpcLimits& limits = environment_.limits;
  v1::StreamVideoRequest request;
  absl::Status status = Guarded("reading a message", [&] {
    return ParseMessage(request_bytes_, first ? limits.max_first_message_bytes : limits.max_control_message_bytes,
                        &request);
  });
  request_bytes_.Clear();
  if (!status.ok()) {
    if (!first) environment_.rpc_metrics->CountControl(ControlType::kUnknown, ControlResult::kRejected);
    call_->Fail(std::move(status));
  } else if (first) {
    OnFirstMessage(request);
  } else {
    call_->Control(request);
  }
  call_->ReadNext();
}

void StreamVideoReactor::OnFirstMessage(const v1::StreamVideoRequest& request) {
  first_message_alarm_.Cancel();
  gate_->Enter();  // only now: a drain need not wait for those who say nothing
  entered_ = true;
  if (request.has_config()) return call_->Start(request.config());
  const auto* field = request.GetDescriptor()->FindFieldByNumber(request.request_case());
  call_->Fail(FieldError("CONFIG_MISSING", "config", field == nullptr ? "nothing" : field->name(),
                         "must be the first message"));
}

void StreamVideoReactor::OnDone() {
  CallGate* const gate = entered_ ? gate_ : nullptr;
  delete this;
  if (gate != nullptr) gate->Leave();
}

}  // namespace videodiffcr
