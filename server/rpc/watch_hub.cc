#include "server/rpc/watch_hub.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"
#include "server/rpc/response_conversion.h"
#include "system/guarded.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {
namespace {

// The bytes of a WatchSessionResponse, too: what watchers are told has the same numbers there.
absl::StatusOr<grpc::ByteBuffer> Pack(const v1::StreamVideoResponse& response) {
  grpc::ByteBuffer bytes;
  absl::Status packed = Guarded("packing a chunk for watchers", [&] {
    bool own_buffer;
    grpc::SerializationTraits<v1::StreamVideoResponse>::Serialize(response, &bytes, &own_buffer);
    return absl::OkStatus();
  });
  if (!packed.ok()) return packed;
  return bytes;
}

}  // namespace

absl::Status WatchHub::Add(std::weak_ptr<Watcher> watcher) {
  MutexLock lock(&mutex_);
  if (end_.has_value()) {
    return end_->ok() ? WithErrorInfo(absl::NotFoundError("session_id: the session is over"),
                                      error_reason::kSessionOver, {{"field", "session_id"}})
                      : *end_;
  }
  std::erase_if(places_, [](const Place& place) { return place.watcher.expired(); });
  if (static_cast<int>(places_.size()) >= max_watchers_) {
    return WithQuotaFailure(
        WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat("this session has ", places_.size(), " watchers of ",
                                                                max_watchers_, "; try again later")),
                      "TOO_MANY_WATCHERS", {{"limit", absl::StrCat(max_watchers_)}}),
        "session", absl::StrCat("at most ", max_watchers_, " watchers"));
  }
  places_.push_back({std::move(watcher)});
  return absl::OkStatus();
}

void WatchHub::SetDeadlineMisses(int64_t misses) {
  MutexLock lock(&mutex_);
  deadline_misses_ = misses;
}

bool WatchHub::Listening() {
  MutexLock lock(&mutex_);
  // The first chunk has the init segment, which those who come later need, too.
  return !places_.empty() || !heard_chunk_;
}

void WatchHub::OnEvent(const OutgoingEvent& event) {
  const auto* chunk = std::get_if<ChunkEvent>(event.event.get());
  if (chunk == nullptr) return;
  std::vector<std::pair<std::shared_ptr<Watcher>, bool>> watchers;  // and whether it needs the init segment
  std::string init_segment;
  {
    MutexLock lock(&mutex_);
    if (!chunk->init_segment.empty()) init_segment_ = chunk->init_segment;
    heard_chunk_ = true;
    for (Place& place : places_) {
      if (std::shared_ptr<Watcher> watcher = place.watcher.lock(); watcher != nullptr) {
        watchers.emplace_back(std::move(watcher), !std::exchange(place.has_init_segment, true));
      }
    }
    if (watchers.empty()) return;
    init_segment = init_segment_;
  }
  v1::StreamVideoResponse response = ToResponse(StreamEvent(*chunk), clock_->Now(), 0);
  const absl::StatusOr<grpc::ByteBuffer> bytes = Pack(response);
  if (!bytes.ok()) return;  // no memory: they miss a chunk
  for (const auto& [watcher, is_first] : watchers) {
    if (!is_first || init_segment.empty() || response.chunk().init_segment() == init_segment) {
      watcher->OnChunk(*bytes);
      continue;
    }
    v1::StreamVideoResponse first = response;
    first.mutable_chunk()->set_init_segment(init_segment);
    if (const absl::StatusOr<grpc::ByteBuffer> own = Pack(first); own.ok()) watcher->OnChunk(*own);
  }
}

void WatchHub::OnEnd(const absl::Status& status, const StreamEvent* last) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  int64_t deadline_misses;
  {
    MutexLock lock(&mutex_);
    if (end_.has_value()) return;
    end_ = status;
    deadline_misses = deadline_misses_;
    for (const Place& place : places_) {
      if (std::shared_ptr<Watcher> watcher = place.watcher.lock(); watcher != nullptr) watchers.push_back(watcher);
    }
    places_.clear();
  }
  absl::StatusOr<grpc::ByteBuffer> finished = absl::NotFoundError("nothing to say");
  // A snapshot, which may be last too, is the owner's alone.
  if (last != nullptr && !watchers.empty() && std::holds_alternative<FinishedEvent>(*last)) {
    finished = Pack(ToResponse(*last, clock_->Now(), deadline_misses));
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    watcher->OnEnd(status, finished.ok() ? &*finished : nullptr);
  }
}

}  // namespace videodiffcr
