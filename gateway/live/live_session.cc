#include "gateway/live/live_session.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/live/started_json.h"
#include "gateway/message_json.h"
#include "proto/proto_duration.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

// Ids of changes that were not planned: above those that were, which are chunk numbers (client/change_schedule.h).
constexpr int64_t kFirstUpdateId = int64_t{1} << 32;

// Of what replays a session: less than --max-body-bytes by default.
constexpr size_t kMaxReplayBytes = 60 << 10;

size_t ReplayBytes(const PlannedChange& change) {
  constexpr size_t kBesidesThePrompt = 80;
  return kBesidesThePrompt + (change.prompt.has_value() ? JsonText(*change.prompt).size() : 0);
}

// Of controls while no server has the session: they reach the next one together, and it takes 40 at once by default,
// those included that the last snapshot does not know of.
constexpr int kMaxWaitingControls = 16;
constexpr absl::Duration kWhileAway = absl::Seconds(1);
constexpr absl::Duration kWithoutThread = absl::Seconds(1);

absl::Status IsOver() {
  return GatewayError(absl::StatusCode::kFailedPrecondition, error_reason::kSessionOver,
                      "this live session does not run: it has ended or has not begun");
}

absl::Status IsAway() {
  return RetryAfter(kWhileAway, GatewayError(absl::StatusCode::kUnavailable, "SERVER_AWAY",
                                             "the server of this live session went away, and as many controls wait for "
                                             "the next one as it takes at once: try again when it goes on"));
}

// What viewers are told of a message, whose bytes have been taken out.
LiveEvent ToLiveEvent(const v1::StreamVideoResponse& event) {
  const google::protobuf::OneofDescriptor* responses = event.GetDescriptor()->FindOneofByName("response");
  const google::protobuf::FieldDescriptor* field = event.GetReflection()->GetOneofFieldDescriptor(event, responses);
  if (field == nullptr) return {};
  const google::protobuf::Message& message = event.GetReflection()->GetMessage(event, field);
  return {field->name(), event.has_started() ? JsonText(StartedJson(event.started())) : MessageJsonText(message)};
}

// Two changes that took effect at one chunk.
void Merge(const PlannedChange& later, PlannedChange* change) {
  if (later.prompt.has_value()) change->prompt = later.prompt;
  if (later.retention_target.has_value()) change->retention_target = later.retention_target;
  change->scene_cut = change->scene_cut || later.scene_cut;
}

}  // namespace

LiveSession::LiveSession(std::string id, LiveRequest request, std::string authorization, const LiveLimits& limits,
                         ServerPool* pool, GatewayMetrics* metrics)
    : id_(std::move(id)),
      request_(std::move(request)),
      authorization_(std::move(authorization)),
      schedule_(request_.changes, request_.length_chunks),
      pool_(pool),
      metrics_(metrics),
      chunks_(limits.chunks),
      events_(limits.events),
      last_update_id_(kFirstUpdateId),
      budget_(request_.budget) {}

LiveSession::~LiveSession() { Stop(); }

void LiveSession::Stop() {
  Cancel();
  MutexLock lock(&thread_mutex_);
  if (thread_.joinable()) thread_.join();
}

void LiveSession::Start(OnStarted on_started) {
  on_started_ = std::move(on_started);
  try {
    MutexLock lock(&thread_mutex_);
    thread_ = std::thread([this] { Run(); });
  } catch (const std::exception& error) {  // no thread, or no memory for one
    // Otherwise nobody would answer, and the session would count as one that runs for as long as the gateway does.
    End(RetryAfter(kWithoutThread, GatewayError(absl::StatusCode::kResourceExhausted, "GATEWAY_BUSY",
                                                absl::StrCat("the gateway could not start this live session: ",
                                                             error.what(), "; try again later"))));
  }
}

bool LiveSession::AllowsControl(absl::string_view authorization) const {
  // In a time that does not tell how much of a guess was right.
  unsigned difference = authorization.size() == authorization_.size() ? 0 : 1;
  for (size_t i = 0; i < authorization.size() && i < authorization_.size(); ++i) {
    difference |= static_cast<unsigned char>(authorization[i] ^ authorization_[i]);
  }
  return difference == 0;
}

absl::StatusOr<bool> LiveSession::Control(const LiveControl& control) {
  MutexLock order(&control_mutex_);
  std::shared_ptr<VideoCall> call;
  std::vector<v1::StreamVideoRequest> requests;
  bool away = false;
  {
    MutexLock lock(&mutex_);
    if (call_ == nullptr || !started_.has_value()) return IsOver();
    if (away_ && waiting_controls_ >= kMaxWaitingControls) return IsAway();
    absl::StatusOr<std::vector<v1::StreamVideoRequest>> made = RequestsOf(control);
    if (!made.ok()) return made.status();
    requests = *std::move(made);
    call = call_;
    away = away_;
    if (away) waiting_controls_ += static_cast<int>(requests.size());
  }
  for (const v1::StreamVideoRequest& request : requests) call->Send(request);
  return !away;
}

bool LiveSession::HasRoomFor(const PlannedChange& change) const {
  if (asked_.size() + applied_.size() >= kMaxChanges) return false;
  size_t bytes = JsonText(request_.prompt).size() + ReplayBytes(change);
  for (const auto* changes : {&asked_, &applied_}) {
    for (const auto& [number, each] : *changes) bytes += ReplayBytes(each);
  }
  return bytes <= kMaxReplayBytes;
}

absl::StatusOr<std::vector<v1::StreamVideoRequest>> LiveSession::RequestsOf(const LiveControl& control) {
  v1::StreamVideoRequest request;
  switch (control.kind) {
    case LiveControl::Kind::kPause:
      request.mutable_pause();
      paused_ = true;
      break;
    case LiveControl::Kind::kUnpause:
      request.mutable_unpause();
      paused_ = false;
      break;
    case LiveControl::Kind::kFinish:
      request.mutable_finish();
      break;
    case LiveControl::Kind::kChange: {
      if (!HasRoomFor(control.change)) {
        return GatewayError(absl::StatusCode::kResourceExhausted, error_reason::kTooManyChanges,
                            "this live session has had all the changes that a link to it can hold");
      }
      const int64_t id = ++last_update_id_;
      asked_[id] = control.change;
      return RequestsFor(control.change, id);
    }
  }
  return std::vector<v1::StreamVideoRequest>{request};
}

void LiveSession::Cancel() {
  MutexLock lock(&mutex_);
  cancelled_ = true;
  if (call_ != nullptr) call_->Cancel();
}

void LiveSession::Run() { End(Generate()); }

absl::Status LiveSession::Generate() {
  absl::StatusOr<std::unique_ptr<VideoClient>> client = pool_->Client();
  if (!client.ok()) return client.status();
  client_ = *std::move(client);
  v1::SessionConfig config = ToSessionConfig(request_);
  config.set_snapshot_interval_chunks(kSnapshotIntervalChunks);
  const std::shared_ptr<VideoCall> call = client_->StreamVideo(config, MendBreaks(), authorization_);
  {
    MutexLock lock(&mutex_);
    call_ = call;
    if (cancelled_) call->Cancel();
  }
  const absl::Status status = Follow(call.get());
  MutexLock lock(&mutex_);
  call_ = nullptr;
  return status;
}

ResumeOptions LiveSession::MendBreaks() {
  ResumeOptions options = pool_->MendBreaks();
  options.on_break = [this](const absl::Status& status) { TellAway(status); };
  options.on_mended = [this] { TellGoingOn(); };
  return options;
}

void LiveSession::TellAway(const absl::Status& status) {
  std::string server;
  {
    MutexLock lock(&mutex_);
    if (!started_.has_value()) return;  // one that is full sends it to the next
    away_ = true;
    waiting_controls_ = 0;
    server = server_;
  }
  TellServer({{"state", "away"}, {"server", server}, {"error", ErrorJson(status)}});
}

void LiveSession::TellGoingOn() {
  std::string server;
  bool handed_over = false;
  {
    MutexLock lock(&mutex_);
    if (!std::exchange(away_, false)) return;
    server = server_ = client_->address(call_->server());
    handed_over = call_->hand_overs() > hand_overs_;
    hand_overs_ = call_->hand_overs();
  }
  (handed_over ? metrics_->hand_overs : metrics_->resumes)->Increment();
  TellServer({{"state", "going_on"}, {"server", server}, {"handed_over", handed_over}});
}

void LiveSession::TellServer(const nlohmann::json& message) {
  LiveEvent event = {"server", JsonText(message)};
  const size_t bytes = event.data.size();
  events_.Append(std::move(event), bytes);
}

absl::Status LiveSession::Follow(VideoCall* call) {
  absl::Status status;
  while (status.ok()) {
    std::optional<v1::StreamVideoResponse> event = call->Next();
    if (!event.has_value()) break;
    status = Handle(*std::move(event), call);
  }
  if (!status.ok()) call->Cancel();
  const absl::Status end = call->Finish();
  return status.ok() ? end : status;
}

absl::Status LiveSession::Handle(v1::StreamVideoResponse event, VideoCall* call) {
  switch (event.response_case()) {
    case v1::StreamVideoResponse::kStarted: {
      {
        MutexLock lock(&mutex_);
        started_ = event.started();
        server_ = client_->address(call->server());
      }
      Tell(event);
      TellStarted(absl::OkStatus());
      return absl::OkStatus();
    }
    case v1::StreamVideoResponse::kChunk:
      HandleChunk(event.mutable_chunk(), call);
      break;
    case v1::StreamVideoResponse::kUpdateApplied: {
      const absl::StatusOr<bool> news = HandleApplied(event.update_applied(), call->hand_overs() > 0);
      if (!news.ok()) return news.status();
      if (!*news) return absl::OkStatus();
      break;
    }
    case v1::StreamVideoResponse::kFinished: {
      MutexLock lock(&mutex_);
      finished_ = event.finished();
      break;
    }
    case v1::StreamVideoResponse::kSnapshot:
      return absl::OkStatus();  // the call keeps it; it is no viewer's
    default:
      break;
  }
  Tell(event);
  return absl::OkStatus();
}

void LiveSession::HandleChunk(v1::VideoChunk* chunk, VideoCall* call) {
  if (!chunk->init_segment().empty()) {
    init_ = std::make_shared<const std::string>(std::move(*chunk->mutable_init_segment()));
    init_chunk_ = chunk->sequence();
  }
  LiveChunk kept = {ToSeconds(chunk->presentation_duration()), std::move(*chunk->mutable_payload()),
                    init_ != nullptr ? init_ : std::make_shared<std::string>(), init_chunk_};
  chunk->clear_init_segment();
  chunk->clear_payload();
  const size_t bytes = kept.fragment.size();
  metrics_->chunks->Increment();
  {
    MutexLock lock(&mutex_);
    const double used = chunk->has_retention() ? chunk->retention().nominal() : budget_;
    RecordBudget(chunk->sequence(), std::exchange(budget_, used), used, &applied_);
  }
  chunks_.Append(std::move(kept), bytes);
  for (const v1::StreamVideoRequest& request : schedule_.AfterChunk(chunk->sequence())) call->Send(request);
}

absl::StatusOr<bool> LiveSession::HandleApplied(const v1::UpdateApplied& applied, bool handed_over) {
  MutexLock lock(&mutex_);
  const int64_t id = applied.update_id();
  // A server that has gone on may make a change again, and earlier: with the first of the chunks that it makes again.
  // Viewers see it from the first chunk that they have not seen.
  const int64_t first = handed_over ? std::max(applied.first_chunk(), chunks_.next()) : applied.first_chunk();
  const auto asked = asked_.find(id);
  if (asked != asked_.end()) {
    Merge(asked->second, &applied_[first]);
    asked_.erase(asked);
    return true;
  }
  if (id > kFirstUpdateId) return !handed_over;  // the second half of a change, or made again
  if (!handed_over) {
    if (absl::Status status = schedule_.CheckApplied(applied); !status.ok()) return status;
  }
  const auto planned = request_.changes.find(id);
  if (planned == request_.changes.end()) return false;
  if (!planned_applied_.insert(id).second) return false;
  Merge(planned->second, &applied_[first]);
  return true;
}

void LiveSession::Tell(const v1::StreamVideoResponse& event) {
  LiveEvent told = ToLiveEvent(event);
  if (told.name.empty()) return;  // a later server may say more than this gateway knows
  const size_t bytes = told.data.size();
  events_.Append(std::move(told), bytes);
}

void LiveSession::TellStarted(const absl::Status& status) {
  if (on_started_ == nullptr) return;
  const OnStarted on_started = std::exchange(on_started_, nullptr);
  status.ok() ? on_started(Describe()) : on_started(status);
}

void LiveSession::End(const absl::Status& status) {
  {
    MutexLock lock(&mutex_);
    end_ = status;
  }
  ended_ = true;  // before who reads events to their end can ask
  nlohmann::json end = {{"ok", status.ok()}};
  if (!status.ok()) end["error"] = ErrorJson(status);
  events_.Append({"ended", JsonText(end)}, 0);
  chunks_.Close();
  events_.Close();
  TellStarted(status);
}

nlohmann::json LiveSession::Describe() const {
  MutexLock lock(&mutex_);
  const char* state = ended_ ? (end_.ok() ? "finished" : "failed") : away_ ? "away" : paused_ ? "paused" : "running";
  const uint64_t seed = started_.has_value() ? started_->seed() : request_.seed;
  const std::string base = absl::StrCat("/live/", id_);
  nlohmann::json described = {{"id", id_},
                              {"state", started_.has_value() || ended_ ? state : "starting"},
                              {"server", server_},
                              {"viewers", viewers()},
                              {"next_chunk", chunks_.next()},
                              {"request", ReplayJson(request_, seed, applied_, ended_ ? chunks_.next() : 0)},
                              {"links",
                               {{"video", base + "/video.mp4"},
                                {"playlist", base + "/index.m3u8"},
                                {"events", base + "/events"},
                                {"page", "/#live=" + id_}}}};
  if (started_.has_value()) described["started"] = StartedJson(*started_);
  if (finished_.has_value()) described["finished"] = MessageJson(*finished_);
  if (ended_ && !end_.ok()) described["error"] = ErrorJson(end_);
  return described;
}

}  // namespace videodiffcr
