// Where a session's results leave the scheduler: encodes each chunk on the delivery thread and puts it into the outbox.
#ifndef VIDEODIFFCR_SERVER_DELIVERY_STREAM_SINK_H_
#define VIDEODIFFCR_SERVER_DELIVERY_STREAM_SINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/session_types.h"
#include "server/delivery/delivery_metrics.h"
#include "server/delivery/session_encoder.h"
#include "server/delivery/stream_outbox.h"
#include "threading/clock.h"

namespace videodiffcr {

// Who keeps what is needed to go on with a session elsewhere. Calls come one at a time, from the thread that delivers.
class SessionKeeper {
 public:
  virtual ~SessionKeeper() = default;
  // Puts the event of `chunk` into the outbox and remembers the chunk, in one step: a snapshot that is asked for by who
  // has seen a chunk holds it, and none holds a chunk that is not on its way. Errors as StreamOutbox::Push().
  virtual absl::Status DeliverChunk(EarlierChunk chunk, ChunkEvent event) = 0;
  // The session is about to end with `status`, not OK. What the client is told last, if anything.
  virtual std::optional<StreamEvent> OnEnding(const absl::Status& status) = 0;
};

// One per session; its calls never overlap (SessionSink), so it needs no lock of its own.
class StreamSink final : public SessionSink {
 public:
  // `encoder` is shared with whoever submits the session, and is of `config`. `started_at`: when the viewer's first
  // message came. `clock` and `metrics` outlive the sink. The outbox is shared because the scheduler's threads fill it
  // through this sink while gRPC's threads empty it, and either side may be done first.
  StreamSink(std::shared_ptr<SessionEncoder> encoder, const EncoderConfig& config, absl::Time started_at,
             std::shared_ptr<StreamOutbox> outbox, const Clock* clock, DeliveryMetrics* metrics);

  // Before the first call. Weak: a session that nobody can go on with is not kept.
  void SetKeeper(std::weak_ptr<SessionKeeper> keeper) { keeper_ = std::move(keeper); }

  absl::StatusOr<int64_t> OnChunk(GeneratedChunk chunk) override;
  void OnUpdateApplied(int64_t update_id, int64_t first_chunk) override;
  void OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server, std::string_view reason) override;
  void OnStateChanged(SessionState state, std::string_view reason) override;
  void OnEnded(const absl::Status& status, const SessionTotals& totals) override;

 private:
  absl::Duration PlayingTime(int64_t frames) const { return absl::Seconds(frames) / config_.frames_per_second; }
  // What the client wants early of chunk 0 leaves on the way.
  absl::StatusOr<EncodedChunk> Encode(const GeneratedChunk& chunk);
  void OfferFirstFragment(const EncodedChunk& first, int frames);
  // By way of the keeper, of a session that has one.
  absl::Status Deliver(EarlierChunk chunk, ChunkEvent event);
  // An event that is not a chunk. When it finds no room, the reason is kept for the next OnChunk() to return.
  void Tell(StreamEvent event);

  std::shared_ptr<SessionEncoder> session_encoder_;  // until the first chunk
  std::unique_ptr<ChunkEncoder> encoder_;            // from then on
  const EncoderConfig config_;
  const absl::Time started_at_;
  const std::shared_ptr<StreamOutbox> outbox_;
  const Clock* const clock_;
  DeliveryMetrics* const metrics_;

  int64_t payload_bytes_ = 0;
  std::weak_ptr<SessionKeeper> keeper_;
  std::optional<absl::Duration> time_to_first_chunk_;
  absl::Status failed_tell_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_STREAM_SINK_H_
