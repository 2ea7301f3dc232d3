// One session of the server with any number of viewers: chunks and events are kept a while, and each viewer follows at
// its own pace.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSION_H_
#define VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/change_schedule.h"
#include "client/video_client.h"
#include "gateway/gateway_metrics.h"
#include "gateway/http/broadcast_log.h"
#include "gateway/live/live_request.h"
#include "gateway/server_pool.h"
#include "nlohmann/json.hpp"
#include "threading/mutex.h"

namespace videodiffcr {

// A fragment of MP4 that plays alone behind its init segment. Numbered as the server's chunks are.
struct LiveChunk {
  double duration_seconds = 0;
  std::string fragment;
  std::shared_ptr<const std::string> init;  // the same for all chunks, until the server sends another
  int64_t init_chunk = 0;                   // the chunk that it came with
};

// Of server-sent events.
struct LiveEvent {
  std::string name;  // a response of the API ("chunk", "update_applied"), "server", or "ended"
  std::string data;  // JSON: the message without its bytes
};

struct LiveLimits {
  BroadcastLog<LiveChunk>::Limits chunks = {.max_items = 64, .max_bytes = 16 << 20};
  BroadcastLog<LiveEvent>::Limits events = {.max_items = 1024, .max_bytes = 1 << 20};
};

// Thread-safe. A thread of its own reads the server's stream; it waits for the server and for nothing else. When the
// server is lost or drains, the client library (client/video_call.h) goes on there or at another, and viewers see no
// gap.
class LiveSession {
 public:
  // `authorization` goes to the server as it is. `pool`, `metrics` outlive the session.
  LiveSession(std::string id, LiveRequest request, std::string authorization, const LiveLimits& limits,
              ServerPool* pool, GatewayMetrics* metrics);
  // Stops.
  ~LiveSession();

  // Once. `on_started` is called once: with Describe() when the server has taken the session, or with its refusal; in
  // here, with ResourceExhausted, when the system has no thread for it: then it has ended.
  using OnStarted = std::function<void(absl::StatusOr<nlohmann::json>)>;
  void Start(OnStarted on_started);

  // Hands a control to the server; it may wait for the network. False: no server has the session at this time, and the
  // one that goes on will be told. FailedPrecondition when the session is over; Unavailable, with when to try again,
  // when as many controls wait as one server takes at once.
  absl::StatusOr<bool> Control(const LiveControl& control);
  // Ends the session soon.
  void Cancel();
  // Ends it and waits for its thread; nobody who follows it is called after. Not for that thread itself.
  void Stop();

  // Whether a request with this authorization may control the session.
  bool AllowsControl(absl::string_view authorization) const;

  BroadcastLog<LiveChunk>& chunks() { return chunks_; }
  BroadcastLog<LiveEvent>& events() { return events_; }

  const std::string& id() const { return id_; }
  bool ended() const { return ended_; }
  // Whether one more may wait for the first playlist: whoever does stays on the list though its connection has gone.
  bool MayWaitForPlaylist() { return ++waits_for_playlist_ <= kMaxWaitsForPlaylist; }
  // What to replay it: request with seed and every change at the chunk where it took effect; and how it stands.
  nlohmann::json Describe() const;

  // --- viewers ---
  void AddViewer() { ++viewers_; }
  void RemoveViewer() { --viewers_; }
  int viewers() const { return viewers_; }

 private:
  static constexpr int kMaxWaitsForPlaylist = 1024;

  void Run();
  absl::Status Generate();
  // With what viewers are told of breaks.
  ResumeOptions MendBreaks();
  absl::Status Follow(VideoCall* call);
  absl::Status Handle(v1::StreamVideoResponse event, VideoCall* call);
  void HandleChunk(v1::VideoChunk* chunk, VideoCall* call);
  // Whether viewers have not been told of it.
  absl::StatusOr<bool> HandleApplied(const v1::UpdateApplied& applied, bool handed_over);
  // Whether a link that replays the session could hold one more change, and the gateway would take it.
  bool HasRoomFor(const PlannedChange& change) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is to be sent for `control`. The session runs.
  absl::StatusOr<std::vector<v1::StreamVideoRequest>> RequestsOf(const LiveControl& control)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellAway(const absl::Status& status);
  void TellGoingOn();
  void TellServer(const nlohmann::json& message);
  void Tell(const v1::StreamVideoResponse& event);
  void End(const absl::Status& status);
  void TellStarted(const absl::Status& status);

  const std::string id_;
  const LiveRequest request_;
  const std::string authorization_;
  const ChangeSchedule schedule_;
  ServerPool* const pool_;
  GatewayMetrics* const metrics_;

  BroadcastLog<LiveChunk> chunks_;
  BroadcastLog<LiveEvent> events_;
  std::atomic<int> viewers_ = 0;
  std::atomic<bool> ended_ = false;
  std::atomic<int> waits_for_playlist_ = 0;

  // The thread's.
  OnStarted on_started_;
  std::unique_ptr<VideoClient> client_;  // outlives the call, whoever still holds that
  std::set<int64_t> planned_applied_;    // chunks of planned changes that have taken effect
  std::shared_ptr<const std::string> init_;
  int64_t init_chunk_ = 0;

  // Held from the making of a control to its sending, so that they keep their order. Comes before the other.
  Mutex control_mutex_;
  mutable Mutex mutex_;
  std::shared_ptr<VideoCall> call_ ABSL_GUARDED_BY(mutex_);  // while it runs
  bool away_ ABSL_GUARDED_BY(mutex_) = false;                // no server has the session; one is looked for
  int waiting_controls_ ABSL_GUARDED_BY(mutex_) = 0;         // since then
  int64_t hand_overs_ ABSL_GUARDED_BY(mutex_) = 0;           // that viewers were told of
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  std::string server_ ABSL_GUARDED_BY(mutex_);  // that has the session, or had it last
  std::optional<v1::SessionStarted> started_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::SessionFinished> finished_ ABSL_GUARDED_BY(mutex_);
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  int64_t last_update_id_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, PlannedChange> asked_ ABSL_GUARDED_BY(mutex_);    // by update id, not applied yet
  std::map<int64_t, PlannedChange> applied_ ABSL_GUARDED_BY(mutex_);  // by first chunk
  double budget_ ABSL_GUARDED_BY(mutex_);                             // of the newest chunk

  Mutex thread_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(thread_mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_LIVE_SESSION_H_
