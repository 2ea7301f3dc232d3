#include "gateway/live/live_session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/message_json.h"
#include "proto/proto_duration.h"

namespace videodiffcr {
namespace {

// Ids of changes that were not planned: above those that were, which are chunk numbers (client/change_schedule.h).
constexpr int64_t kFirstUpdateId = int64_t{1} << 32;

constexpr size_t kMaxRememberedChanges = 1024;

absl::Status IsOver() {
  return GatewayError(absl::StatusCode::kFailedPrecondition, "SESSION_OVER",
                      "this live session does not run: it has ended or has not begun");
}

// Not what lets its owner resume or share the session: a viewer is neither.
nlohmann::json StartedJson(const v1::SessionStarted& started) {
  nlohmann::json told = MessageJson(started);
  for (const char* secret : {"resume_token", "watch_token"}) told.erase(secret);
  return told;
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
      last_update_id_(kFirstUpdateId) {}

LiveSession::~LiveSession() { Stop(); }

void LiveSession::Stop() {
  Cancel();
  MutexLock lock(&thread_mutex_);
  if (thread_.joinable()) thread_.join();
}

void LiveSession::Start(OnStarted on_started) {
  on_started_ = std::move(on_started);
  MutexLock lock(&thread_mutex_);
  thread_ = std::thread([this] { Run(); });
}

bool LiveSession::AllowsControl(absl::string_view authorization) const {
  // In a time that does not tell how much of a guess was right.
  unsigned difference = authorization.size() == authorization_.size() ? 0 : 1;
  for (size_t i = 0; i < authorization.size() && i < authorization_.size(); ++i) {
    difference |= static_cast<unsigned char>(authorization[i] ^ authorization_[i]);
  }
  return difference == 0;
}

absl::Status LiveSession::Control(const LiveControl& control) {
  MutexLock lock(&mutex_);
  if (call_ == nullptr || !started_.has_value()) return IsOver();
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
      if (asked_.size() + applied_.size() >= kMaxRememberedChanges) {
        return GatewayError(absl::StatusCode::kResourceExhausted, "TOO_MANY_CHANGES",
                            "this live session has had all the changes that a link to it can hold");
      }
      const int64_t id = ++last_update_id_;
      asked_[id] = control.change;
      for (const v1::StreamVideoRequest& part : RequestsFor(control.change, id)) call_->Send(part);
      return absl::OkStatus();
    }
  }
  call_->Send(request);
  return absl::OkStatus();
}

void LiveSession::Cancel() {
  MutexLock lock(&mutex_);
  cancelled_ = true;
  if (call_ != nullptr) call_->Cancel();
}

void LiveSession::Run() {
  End(pool_->Try([this](VideoClient& client, const std::string& address) -> ServerPool::Tried {
    const std::unique_ptr<VideoCall> call =
        client.StreamVideo(ToSessionConfig(request_), kEndWithTheCall, authorization_);
    {
      MutexLock lock(&mutex_);
      call_ = call.get();
      server_ = address;
      if (cancelled_) call->Cancel();
    }
    const absl::Status status = Follow(call.get());
    MutexLock lock(&mutex_);
    call_ = nullptr;
    return {status, started_.has_value() || cancelled_ || !ServerPool::AnotherMayServe(status)};
  }));
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
      }
      Tell(event);
      TellStarted(absl::OkStatus());
      return absl::OkStatus();
    }
    case v1::StreamVideoResponse::kChunk:
      HandleChunk(event.mutable_chunk(), call);
      break;
    case v1::StreamVideoResponse::kUpdateApplied:
      if (absl::Status status = HandleApplied(event.update_applied()); !status.ok()) return status;
      break;
    case v1::StreamVideoResponse::kFinished: {
      MutexLock lock(&mutex_);
      finished_ = event.finished();
      break;
    }
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
  LiveChunk kept = {ToSeconds(chunk->presentation_start()), ToSeconds(chunk->presentation_duration()),
                    std::move(*chunk->mutable_payload()), init_ != nullptr ? init_ : std::make_shared<std::string>(),
                    init_chunk_};
  chunk->clear_init_segment();
  chunk->clear_payload();
  const size_t bytes = kept.fragment.size();
  metrics_->chunks->Increment();
  chunks_.Append(std::move(kept), bytes);
  MutexLock lock(&mutex_);
  for (const v1::StreamVideoRequest& request : schedule_.AfterChunk(chunk->sequence())) call->Send(request);
}

absl::Status LiveSession::HandleApplied(const v1::UpdateApplied& applied) {
  MutexLock lock(&mutex_);
  const auto asked = asked_.find(applied.update_id());
  if (asked != asked_.end()) {
    Merge(asked->second, &applied_[applied.first_chunk()]);
    asked_.erase(asked);
    return absl::OkStatus();
  }
  if (applied.update_id() > kFirstUpdateId) return absl::OkStatus();  // the second half of a change
  if (absl::Status status = schedule_.CheckApplied(applied); !status.ok()) return status;
  Merge(request_.changes.at(applied.update_id()), &applied_[applied.first_chunk()]);
  return absl::OkStatus();
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
  nlohmann::json end = {{"ok", status.ok()}};
  if (!status.ok()) end["error"] = ErrorJson(status);
  events_.Append({"ended", JsonText(end)}, 0);
  chunks_.Close();
  events_.Close();
  ended_ = true;
  TellStarted(status);
}

nlohmann::json LiveSession::Describe() const {
  MutexLock lock(&mutex_);
  const char* state = ended_ ? (end_.ok() ? "finished" : "failed") : paused_ ? "paused" : "running";
  const uint64_t seed = started_.has_value() ? started_->seed() : request_.seed;
  const std::string base = absl::StrCat("/live/", id_);
  nlohmann::json described = {{"id", id_},
                              {"state", started_.has_value() || ended_ ? state : "starting"},
                              {"server", server_},
                              {"viewers", viewers()},
                              {"next_chunk", chunks_.next()},
                              {"request", ReplayJson(request_, seed, applied_)},
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
