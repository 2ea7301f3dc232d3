#include "client/video_call.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "checksum/crc32c.h"
#include "client/call_status.h"
#include "proto/grpc_deadline.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kShortestPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);
constexpr absl::Duration kCancelTimeout = absl::Seconds(2);

// More than a client may send in the time that a dead connection takes to be noticed.
constexpr size_t kMaxControlsKept = 1024;

// A server keeps 16 chunks by default, and takes 20 control messages a second.
constexpr int64_t kChunksPerAck = 4;
constexpr absl::Duration kBetweenAcks = absl::Milliseconds(250);

std::string NewRequestId() {
  std::random_device random;
  return absl::StrCat("client-", absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

v1::SessionConfig Resumable(v1::SessionConfig config, bool resumable) {
  config.set_resumable(resumable);
  if (resumable && config.request_id().empty()) config.set_request_id(NewRequestId());
  return config;
}

// Leads the call to the server that made `token`, through a proxy in front of many: what stands before the first of its
// two dots. A token with one dot is of a server that is reached as it is.
void AddRoute(const std::string& token, grpc::ClientContext* context) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  if (parts.size() == 3) context->AddMetadata("videodiffcr-server", parts[0]);
}

v1::StreamVideoRequest ConfigRequest(const v1::SessionConfig& config) {
  v1::StreamVideoRequest request;
  *request.mutable_config() = config;
  return request;
}

// Our server gives a reason with every end; an end without one is the network's, or that of a proxy.
bool IsTheNetworks(const absl::Status& status) {
  return !status.ok() && !ErrorInfoOf(status).has_value() &&
         (absl::IsUnavailable(status) || absl::IsInternal(status) || absl::IsUnknown(status) ||
          absl::IsCancelled(status));
}

}  // namespace

VideoCall::VideoCall(v1::VideoGenerationService::StubInterface* stub, v1::SessionConfig config,
                     const ResumeOptions& options, std::string authorization)
    : stub_(stub),
      config_(Resumable(std::move(config), options.patience > absl::ZeroDuration())),
      options_(options),
      authorization_(std::move(authorization)),
      pause_(kShortestPause) {
  Open(ConfigRequest(config_));
}

VideoCall::~VideoCall() {
  if (end_.has_value()) return;
  Cancel();
  while (Next().has_value()) {
  }
  (void)Finish();
}

bool VideoCall::Open(const v1::StreamVideoRequest& first) {
  auto connection = std::make_shared<Connection>();
  if (!authorization_.empty()) connection->context.AddMetadata("authorization", authorization_);
  if (started_.has_value()) AddRoute(started_->resume_token(), &connection->context);
  connection->stream = stub_->StreamVideo(&connection->context);
  {
    MutexLock lock(&mutex_);
    connection_ = connection;
    if (cancelled_) connection->context.TryCancel();
  }
  // False means that the call is over; reading finds that out as well, and knows the reason.
  (void)connection->stream->Write(first);
  return true;
}

std::optional<v1::StreamVideoResponse> VideoCall::Next() {
  while (damage_.ok() && !end_.has_value()) {
    v1::StreamVideoResponse response;
    if (connection_->stream->Read(&response)) {
      if (Accept(response)) return response;
      if (!damage_.ok()) Cancel();
      continue;
    }
    const absl::Status status = CloseStream();
    if (!OpenAgain(status)) end_ = status;
  }
  return std::nullopt;
}

bool VideoCall::Accept(const v1::StreamVideoResponse& response) {
  if (response.has_started()) {
    const bool again = started_.has_value();
    TakeStarted(response.started());
    return !again;
  }
  if (response.event_number() != 0) {
    if (response.event_number() <= last_event_) return false;  // it has arrived on another connection
    last_event_ = response.event_number();
  }
  if (!response.has_chunk()) return true;
  damage_ = CheckChunk(response.chunk());
  if (!damage_.ok()) return false;
  AcknowledgeNowAndThen();
  return true;
}

void VideoCall::TakeStarted(const v1::SessionStarted& started) {
  const bool again = started_.has_value();
  {
    MutexLock lock(&mutex_);
    started_ = started;
  }
  give_up_at_ = absl::InfiniteFuture();
  pause_ = kShortestPause;
  if (again) SendWhatWasLost(started.controls_received());
}

absl::Status VideoCall::CheckChunk(const v1::VideoChunk& chunk) {
  if (chunk.sequence() != next_sequence_) {
    return absl::DataLossError(
        absl::StrCat("chunk ", chunk.sequence(), " arrived where chunk ", next_sequence_, " was due"));
  }
  const uint32_t checksum = Crc32c(chunk.payload());
  if (checksum != chunk.payload_crc32c()) {
    return absl::DataLossError(absl::StrCat("chunk ", chunk.sequence(), " is damaged: its payload has CRC-32C ",
                                            checksum, ", the server computed ", chunk.payload_crc32c()));
  }
  ++next_sequence_;
  return absl::OkStatus();
}

void VideoCall::AcknowledgeNowAndThen() {
  // A server that gives no token knows nothing of it.
  if (!config_.resumable() || !started_.has_value() || started_->resume_token().empty()) return;
  const absl::Time now = SteadyNow();
  const int64_t last = next_sequence_ - 1;
  if (last - acknowledged_through_ < kChunksPerAck || now - acknowledged_at_ < kBetweenAcks) return;
  acknowledged_through_ = last;
  acknowledged_at_ = now;
  v1::StreamVideoRequest request;
  request.mutable_ack()->set_sequence(last);
  (void)connection_->stream->Write(request);
}

void VideoCall::Send(const v1::StreamVideoRequest& request) {
  if (config_.resumable()) {
    controls_.emplace_back(controls_sent_, request);
    if (controls_.size() > kMaxControlsKept) controls_.pop_front();
  }
  ++controls_sent_;
  (void)connection_->stream->Write(request);
}

void VideoCall::SendWhatWasLost(int64_t controls_received) {
  while (!controls_.empty() && controls_.front().first < controls_received) controls_.pop_front();
  for (const auto& [before, request] : controls_) (void)connection_->stream->Write(request);
}

bool VideoCall::MayResume(const absl::Status& status) const {
  return config_.resumable() && IsTheNetworks(status) && (!started_.has_value() || !started_->resume_token().empty());
}

bool VideoCall::OpenAgain(const absl::Status& status) {
  if (!MayResume(status)) return false;
  const absl::Time now = SteadyNow();
  if (give_up_at_ == absl::InfiniteFuture()) {
    give_up_at_ = now + options_.patience;
    if (options_.on_break) options_.on_break(status);
  }
  if (now >= give_up_at_ || !WaitALittle()) return false;
  ++resumes_;
  if (!started_.has_value()) return Open(ConfigRequest(config_));
  v1::StreamVideoRequest request;
  request.mutable_resume()->set_resume_token(started_->resume_token());
  if (next_sequence_ > 0) request.mutable_resume()->set_last_sequence(next_sequence_ - 1);
  return Open(request);
}

bool VideoCall::WaitALittle() {
  MutexLock lock(&mutex_);
  const absl::Time until = SteadyNow() + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  for (absl::Time now = SteadyNow(); !cancelled_ && now < until; now = SteadyNow()) {
    cancel_came_.WaitFor(&mutex_, absl::ToChronoNanoseconds(until - now));
  }
  return !cancelled_;
}

void VideoCall::Cancel() {
  std::shared_ptr<Connection> connection;
  v1::CancelSessionRequest request;
  {
    MutexLock lock(&mutex_);
    cancelled_ = true;
    cancel_came_.NotifyAll();
    connection = connection_;
    if (started_.has_value()) {
      request.set_session_id(started_->session_id());
      request.set_resume_token(started_->resume_token());
    }
  }
  // Else the server would keep the session for a while, in case that its client comes back.
  if (config_.resumable() && !request.resume_token().empty()) {
    grpc::ClientContext context;
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
    AddRoute(request.resume_token(), &context);
    context.set_deadline(GrpcDeadline(kCancelTimeout));
    v1::CancelSessionResponse response;
    (void)stub_->CancelSession(&context, request, &response);
  }
  connection->context.TryCancel();
}

void VideoCall::Break() {
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(&mutex_);
    connection = connection_;
  }
  connection->context.TryCancel();
}

absl::Status VideoCall::CloseStream() {
  // gRPC wants the stream read to its end before Finish().
  v1::StreamVideoResponse rest;
  while (connection_->stream->Read(&rest)) {
  }
  const absl::Status status = ToAbslStatus(connection_->stream->Finish());
  MutexLock lock(&mutex_);
  return cancelled_ && !status.ok() ? absl::CancelledError("the session was cancelled") : status;
}

absl::Status VideoCall::Finish() {
  if (!end_.has_value()) end_ = CloseStream();
  return damage_.ok() ? *end_ : damage_;
}

}  // namespace videodiffcr
