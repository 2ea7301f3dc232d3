#include "server/delivery/stream_sink.h"

#include <utility>

#include "checksum/crc32c.h"

namespace videodiffcr {

StreamSink::StreamSink(std::shared_ptr<SessionEncoder> encoder, const EncoderConfig& config, absl::Time started_at,
                       std::shared_ptr<StreamOutbox> outbox, const Clock* clock, DeliveryMetrics* metrics)
    : session_encoder_(std::move(encoder)),
      config_(config),
      started_at_(started_at),
      outbox_(std::move(outbox)),
      clock_(clock),
      metrics_(metrics) {}

absl::StatusOr<int64_t> StreamSink::OnChunk(GeneratedChunk chunk) {
  if (!failed_tell_.ok()) return failed_tell_;
  if (encoder_ == nullptr) {
    SessionEncoder::Made made = session_encoder_->Take();
    if (!made.ok()) return made.status();
    encoder_ = *std::move(made);
    session_encoder_.reset();
  }
  const absl::Time encode_began = clock_->Now();
  absl::StatusOr<EncodedChunk> encoded = Encode(chunk);
  if (!encoded.ok()) return encoded.status();
  const absl::Time encode_ended = clock_->Now();

  ChunkEvent event;
  event.sequence = chunk.sequence;
  event.first_frame = chunk.first_frame;
  event.frame_count = chunk.frames.frame_count;
  event.presentation_start = PlayingTime(chunk.first_frame);
  event.presentation_duration = PlayingTime(chunk.first_frame + chunk.frames.frame_count) - event.presentation_start;
  event.keyframe = encoded->keyframe;
  event.scene_start = chunk.scene_start;
  event.payload_crc32c = Crc32c(encoded->payload);
  event.init_segment = std::move(encoded->init_segment);
  event.payload = std::move(encoded->payload);
  event.nominal = chunk.nominal;
  event.executed_retention = chunk.executed_retention;
  event.executed_cache = chunk.executed_cache;
  event.timings = chunk.timings;
  event.encode = encode_ended - encode_began;
  event.work_began = chunk.work_began;
  event.deadline = chunk.deadline;

  const auto payload_bytes = static_cast<int64_t>(event.payload.size());
  DeliveryMetrics::ForCodec& metrics = metrics_->of(config_.output.codec);
  metrics.encode_seconds->Observe(absl::ToDoubleSeconds(event.encode));
  metrics.output_bytes_total->Increment(static_cast<double>(event.payload.size() + event.init_segment.size()));
  absl::Status status = Deliver({chunk.sequence, chunk.prompt, chunk.latents, chunk.nominal}, std::move(event));
  if (!status.ok()) return status;
  if (!time_to_first_chunk_.has_value()) time_to_first_chunk_ = clock_->Now() - started_at_;
  payload_bytes_ += payload_bytes;
  return payload_bytes;
}

absl::StatusOr<EncodedChunk> StreamSink::Encode(const GeneratedChunk& chunk) {
  const int first = chunk.sequence == 0 ? config_.first_fragment_frames : 0;
  if (first == 0) return encoder_->Encode(chunk.frames);
  EncodedChunk encoded;
  if (absl::Status status = encoder_->EncodePart(chunk.frames, 0, first, &encoded); !status.ok()) return status;
  OfferFirstFragment(encoded, first);
  absl::Status status = encoder_->EncodePart(chunk.frames, first, chunk.frames.frame_count - first, &encoded);
  if (!status.ok()) return status;
  return encoded;
}

void StreamSink::OfferFirstFragment(const EncodedChunk& first, int frames) {
  FirstFragmentEvent event;
  event.init_segment = first.init_segment;
  event.payload = first.payload;
  event.payload_crc32c = Crc32c(event.payload);
  event.frame_count = frames;
  outbox_->Offer(std::move(event));
  metrics_->time_to_first_frames_seconds->Observe(absl::ToDoubleSeconds(clock_->Now() - started_at_));
}

absl::Status StreamSink::Deliver(EarlierChunk chunk, ChunkEvent event) {
  const std::shared_ptr<SessionKeeper> keeper = keeper_.lock();
  if (keeper == nullptr || chunk.latents == nullptr) return outbox_->Push(std::move(event));
  return keeper->DeliverChunk(std::move(chunk), std::move(event));
}

void StreamSink::Tell(StreamEvent event) {
  if (absl::Status status = outbox_->Push(std::move(event)); !status.ok() && failed_tell_.ok()) {
    failed_tell_ = std::move(status);
  }
}

void StreamSink::OnUpdateApplied(int64_t update_id, int64_t first_chunk) {
  Tell(UpdateAppliedEvent{update_id, first_chunk});
}

void StreamSink::OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server, std::string_view reason) {
  Tell(BudgetChangedEvent{first_chunk, target, by_server, std::string(reason)});
}

void StreamSink::OnStateChanged(SessionState state, std::string_view reason) {
  // It has waited for its place and has it now. How that went is for its first chunk to say.
  if (session_encoder_ != nullptr && state != SessionState::kWaiting && state != SessionState::kEnded) {
    session_encoder_->Prepare().IgnoreError();
  }
  // The end has messages of its own: `finished` or the status.
  if (state != SessionState::kEnded) Tell(StateChangedEvent{state, std::string(reason)});
}

void StreamSink::OnEnded(const absl::Status& status, const SessionTotals& totals) {
  if (status.ok()) {
    FinishedEvent event;
    event.chunks = totals.chunks;
    event.frames = totals.frames;
    event.payload_bytes = payload_bytes_;
    event.content_duration = PlayingTime(totals.frames);
    event.wall_duration = clock_->Now() - started_at_;
    event.time_to_first_chunk = time_to_first_chunk_.value_or(absl::ZeroDuration());
    event.nominal_retention_mean = totals.nominal_retention_mean;
    event.executed_retention_mean = totals.executed_retention_mean;
    event.executed_cache_mean = totals.executed_cache_mean;
    event.reason = totals.reason;
    outbox_->End(failed_tell_, std::move(event));
    return;
  }
  const std::shared_ptr<SessionKeeper> keeper = keeper_.lock();
  outbox_->End(status, keeper == nullptr ? std::nullopt : keeper->OnEnding(status));
}

}  // namespace videodiffcr
