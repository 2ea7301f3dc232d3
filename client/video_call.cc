#include "client/video_call.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "checksum/crc32c.h"
#include "client/call_status.h"
#include "proto/grpc_deadline.h"
#include "proto/status_details.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kShortestPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);
constexpr absl::Duration kCancelTimeout = absl::Seconds(2);
constexpr absl::Duration kDrainedPatience = absl::Seconds(3);

// More than a client may send in the time that a dead connection takes to be noticed.
constexpr size_t kMaxControlsKept = 1024;

// A server keeps 16 chunks by default, and takes 20 control messages a second.
constexpr int64_t kChunksPerAck = 4;
constexpr absl::Duration kBetweenAcks = absl::Milliseconds(250);

std::string NewRequestId() {
  std::random_device random;
  return absl::StrCat("client-", absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

v1::SessionConfig Resumable(v1::SessionConfig config, const ResumeOptions& options, size_t servers) {
  const bool resumable = options.patience > absl::ZeroDuration();
  config.set_resumable(resumable);
  if (resumable && servers > 1 && config.snapshot_interval_chunks() == 0) {
    config.set_snapshot_interval_chunks(options.snapshot_interval_chunks);
  }
  if (resumable && config.request_id().empty()) config.set_request_id(NewRequestId());
  return config;
}

// Leads the call to the server that made `token`, through a proxy in front of many: what stands before the first of its
// two dots. A token with one dot is of a server that is reached as it is.
void AddRoute(const std::string& token, grpc::ClientContext* context) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  if (parts.size() == 3) context->AddMetadata("videodiffcr-server", parts[0]);
}

// Our server gives a reason with every end; an end without one is the network's, or that of a proxy.
bool IsTheNetworks(const absl::Status& status) {
  return !status.ok() && !ErrorInfoOf(status).has_value() &&
         (absl::IsUnavailable(status) || absl::IsInternal(status) || absl::IsUnknown(status) ||
          absl::IsCancelled(status));
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = ErrorInfoOf(status);
  return info.has_value() ? info->reason() : "";
}

// Another server may take what this one does not.
bool IsThisServersAlone(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == error_reason::kServerFull || reason == error_reason::kDraining ||
         reason == error_reason::kModelLoading || reason == error_reason::kModelLost ||
         reason == error_reason::kTooManySessionsOnConnection;
}

absl::Status CheckChecksum(absl::string_view what, const std::string& payload, uint32_t computed_by_server) {
  const uint32_t checksum = Crc32c(payload);
  if (checksum == computed_by_server) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, " is damaged: its payload has CRC-32C ", checksum,
                                          ", the server computed ", computed_by_server));
}

bool BeginsWith(const v1::VideoChunk& chunk, const v1::FirstFragment& fragment) {
  return chunk.init_segment() == fragment.init_segment() && absl::StartsWith(chunk.payload(), fragment.payload());
}

bool KnowsNothingOfTheSession(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == error_reason::kResumeTokenInvalid || reason == error_reason::kReplayWindowLost ||
         reason == error_reason::kSessionElsewhere;
}

}  // namespace

VideoCall::VideoCall(std::vector<v1::VideoGenerationService::StubInterface*> servers, v1::SessionConfig config,
                     const ResumeOptions& options, std::string authorization)
    : servers_(std::move(servers)),
      config_(Resumable(std::move(config), options, servers_.size())),
      options_(options),
      authorization_(std::move(authorization)),
      pause_(kShortestPause) {
  Open(FirstMessage(Step::kStart));
  MutexLock lock(&send_mutex_);
  takes_controls_ = true;
}

VideoCall::~VideoCall() {
  if (!end_.has_value()) {
    Cancel();
    while (Next().has_value()) {
    }
  }
  (void)Finish();
}

void VideoCall::Open(const v1::StreamVideoRequest& first) {
  auto connection = std::make_shared<Connection>();
  if (!authorization_.empty()) connection->context.AddMetadata("authorization", authorization_);
  if (first.has_resume()) AddRoute(first.resume().resume_token(), &connection->context);
  connection->server = servers_[server_];
  connection->stream = connection->server->StreamVideo(&connection->context);
  {
    MutexLock lock(&mutex_);
    connection_ = connection;
    if (cancelled_) connection->context.TryCancel();
  }
  // False means that the call is over; reading finds that out as well, and knows the reason.
  (void)connection->stream->Write(first);
}

std::optional<v1::StreamVideoResponse> VideoCall::Next() {
  while (damage_.ok() && !end_.has_value()) {
    v1::StreamVideoResponse response;
    if (connection_->stream->Read(&response)) {
      if (Accept(&response)) return response;
      if (!damage_.ok()) Cancel();
      continue;
    }
    const absl::Status status = CloseStream();
    // That nobody could be reached is no news to whoever knows why.
    if (!OpenAgain(status)) end_ = IsTheNetworks(status) ? cause_.value_or(status) : status;
  }
  return std::nullopt;
}

bool VideoCall::Accept(v1::StreamVideoResponse* response) {
  if (response->has_started()) {
    const bool again = started_.has_value();
    TakeStarted(response->started());
    return !again;
  }
  if (response->event_number() != 0) {
    if (response->event_number() <= last_event_) return false;  // it has arrived on another connection
    last_event_ = response->event_number();
  }
  if (response->has_snapshot()) TakeSnapshot(response->snapshot());
  if (response->has_first_fragment()) return AcceptFirstFragment(response->first_fragment());
  return !response->has_chunk() || AcceptChunk(response->mutable_chunk());
}

bool VideoCall::AcceptFirstFragment(const v1::FirstFragment& fragment) {
  // A session that was begun anew sends it again; chunk 0 will show whether it is the same.
  if (next_sequence_ > 0 || first_fragment_.has_value()) return false;
  damage_ = CheckChecksum("the first fragment", fragment.payload(), fragment.payload_crc32c());
  if (!damage_.ok()) return false;
  first_fragment_ = fragment;
  return true;
}

bool VideoCall::AcceptChunk(v1::VideoChunk* chunk) {
  // A server that has gone on from a snapshot makes again what came behind it.
  if (hand_overs_ > 0 && chunk->sequence() < next_sequence_) return false;
  damage_ = CheckChunk(*chunk);
  if (!damage_.ok()) return false;
  if (chunk->init_segment() == init_segment_) {
    chunk->clear_init_segment();
  } else if (!chunk->init_segment().empty()) {
    init_segment_ = chunk->init_segment();
  }
  AcknowledgeNowAndThen();
  return true;
}

void VideoCall::TakeStarted(const v1::SessionStarted& started) {
  const bool again = started_.has_value();
  if (again && started.session_id() != started_->session_id()) last_event_ = 0;
  {
    MutexLock lock(&mutex_);
    started_ = started;
  }
  const bool mended = cause_.has_value();
  give_up_at_ = absl::InfiniteFuture();
  cause_.reset();
  pause_ = kShortestPause;
  refused_by_ = 0;
  server_answers_ = true;
  going_on_ = false;
  {
    MutexLock lock(&send_mutex_);
    if (!takes_controls_) SendWhatWasLost(started.controls_received());
    takes_controls_ = true;
  }
  if (mended && options_.on_mended) options_.on_mended();
}

void VideoCall::TakeSnapshot(const v1::SessionSnapshot& snapshot) {
  v1::SnapshotState state;
  if (!config_.resumable() || !state.ParseFromString(snapshot.state())) return;
  snapshot_ = snapshot;
  snapshot_controls_ = state.controls_received();
}

absl::Status VideoCall::CheckChunk(const v1::VideoChunk& chunk) {
  if (chunk.sequence() != next_sequence_) {
    return absl::DataLossError(
        absl::StrCat("chunk ", chunk.sequence(), " arrived where chunk ", next_sequence_, " was due"));
  }
  absl::Status status =
      CheckChecksum(absl::StrCat("chunk ", chunk.sequence()), chunk.payload(), chunk.payload_crc32c());
  if (!status.ok()) return status;
  if (first_fragment_.has_value()) {
    if (!BeginsWith(chunk, *first_fragment_)) {
      return absl::DataLossError("chunk 0 does not begin with the first fragment, which came ahead of it");
    }
    first_fragment_.reset();
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
  MutexLock lock(&send_mutex_);
  (void)connection_->stream->Write(request);
}

void VideoCall::Send(const v1::StreamVideoRequest& request) {
  MutexLock lock(&send_mutex_);
  if (config_.resumable()) {
    controls_.emplace_back(controls_sent_, request);
    if (controls_.size() > kMaxControlsKept) controls_.pop_front();
  }
  ++controls_sent_;
  if (takes_controls_) (void)connection_->stream->Write(request);
}

void VideoCall::SendWhatWasLost(int64_t controls_received) {
  // Those that the last snapshot does not know of are still of use if its session is lost.
  const int64_t known = snapshot_.has_value() ? std::min(controls_received, snapshot_controls_) : controls_received;
  while (!controls_.empty() && controls_.front().first < known) controls_.pop_front();
  for (const auto& [before, request] : controls_) {
    if (before >= controls_received) (void)connection_->stream->Write(request);
  }
}

VideoCall::Step VideoCall::Decide(const absl::Status& status) const {
  if (!config_.resumable() || status.ok()) return Step::kEnd;
  const bool network = IsTheNetworks(status);
  if (!started_.has_value()) {
    const bool another = IsThisServersAlone(status) && refused_by_ + 1 < servers_.size();
    return network || another ? Step::kStart : Step::kEnd;
  }
  if (started_->resume_token().empty()) return Step::kEnd;
  // Its server ends it and says so, has begun anew since, or cannot be had while others can.
  const bool gone = IsThisServersAlone(status) || KnowsNothingOfTheSession(status) || (going_on_ && network);
  const bool elsewhere = network && !server_answers_ && servers_.size() > 1;
  // Before the first snapshot the same seed leads to the same chunks, and where snapshots are to come these are few.
  const bool anew = elsewhere || config_.snapshot_interval_chunks() > 0;
  if (gone || elsewhere) return snapshot_.has_value() ? Step::kGoOn : anew ? Step::kStart : Step::kEnd;
  return network ? Step::kResume : Step::kEnd;
}

v1::StreamVideoRequest VideoCall::FirstMessage(Step next) const {
  v1::StreamVideoRequest request;
  if (next == Step::kGoOn) {
    *request.mutable_resume()->mutable_snapshot() = *snapshot_;
  } else if (next == Step::kResume) {
    request.mutable_resume()->set_resume_token(started_->resume_token());
    if (next_sequence_ > 0) request.mutable_resume()->set_last_sequence(next_sequence_ - 1);
  } else {
    *request.mutable_config() = config_;
    // Before the first snapshot: the same seed leads to the same chunks.
    if (started_.has_value()) request.mutable_config()->set_seed(started_->seed());
  }
  return request;
}

bool VideoCall::OpenAgain(const absl::Status& status) {
  const Step next = Decide(status);
  if (next == Step::kEnd) return false;
  const absl::Time now = SteadyNow();
  if (give_up_at_ == absl::InfiniteFuture()) {
    cause_ = status;
    // Behind one address there may be several servers; if there is but one, it will not be back soon.
    const bool drained = servers_.size() == 1 && IsThisServersAlone(status);
    give_up_at_ = now + (drained ? std::min(options_.patience, kDrainedPatience) : options_.patience);
    if (options_.on_break) options_.on_break(status);
  }
  if (now >= give_up_at_ || !WaitALittle()) return false;
  if (next == Step::kGoOn || (next == Step::kStart && started_.has_value())) {
    if (!std::exchange(going_on_, true)) ++hand_overs_;
  } else {
    ++resumes_;
  }
  // One that answers is asked again first: it has the session, or what is left of it.
  const bool leave = next == Step::kGoOn || (next == Step::kStart && (IsThisServersAlone(status) || !server_answers_));
  if (leave) {
    server_ = (server_ + 1) % servers_.size();
    ++refused_by_;
  }
  server_answers_ = false;
  Open(FirstMessage(next));
  return true;
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
  std::shared_ptr<Farewell> farewell;
  v1::CancelSessionRequest request;
  {
    MutexLock lock(&mutex_);
    if (std::exchange(cancelled_, true)) return;
    cancel_came_.NotifyAll();
    connection = connection_;
    // Else the server would keep the session for a while, in case that its client comes back.
    if (config_.resumable() && started_.has_value() && !started_->resume_token().empty()) {
      farewell = farewell_ = std::make_shared<Farewell>();
      request.set_session_id(started_->session_id());
      request.set_resume_token(started_->resume_token());
    }
  }
  if (farewell != nullptr) {
    if (!authorization_.empty()) farewell->context.AddMetadata("authorization", authorization_);
    AddRoute(request.resume_token(), &farewell->context);
    farewell->context.set_deadline(GrpcDeadline(kCancelTimeout));
    farewell->call = connection->server->AsyncCancelSession(&farewell->context, request, &farewell->answered);
    farewell->call->Finish(&farewell->response, &farewell->status, farewell.get());
  }
  connection->context.TryCancel();
}

void VideoCall::AwaitFarewell() {
  std::shared_ptr<Farewell> farewell;
  {
    MutexLock lock(&mutex_);
    farewell.swap(farewell_);
  }
  void* tag = nullptr;
  bool ok = false;
  if (farewell != nullptr) (void)farewell->answered.Next(&tag, &ok);
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
  absl::Status status;
  {
    MutexLock lock(&send_mutex_);
    takes_controls_ = false;
    status = ToAbslStatus(connection_->stream->Finish());
  }
  MutexLock lock(&mutex_);
  return cancelled_ && !status.ok() ? absl::CancelledError("the session was cancelled") : status;
}

absl::Status VideoCall::Finish() {
  if (!end_.has_value()) end_ = CloseStream();
  AwaitFarewell();
  return damage_.ok() ? *end_ : damage_;
}

}  // namespace videodiffcr
