#include "server/delivery/stream_outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

int64_t BytesOf(const StreamEvent& event) {
  const auto* chunk = std::get_if<ChunkEvent>(&event);
  return chunk == nullptr ? 0 : static_cast<int64_t>(chunk->init_segment.size() + chunk->payload.size());
}

}  // namespace

absl::Status OutboxLimits::Validate() const {
  if (low_bytes < 0 || low_bytes >= high_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("outbox_low_bytes is ", low_bytes,
                                                   "; it must be at least 0 and less than outbox_high_bytes which is ",
                                                   high_bytes));
  }
  if (low_chunks < 0 || low_chunks >= high_chunks) {
    return absl::InvalidArgumentError(absl::StrCat("outbox_low_chunks is ", low_chunks,
                                                   "; it must be at least 0 and less than outbox_high_chunks which is ",
                                                   high_chunks));
  }
  if (max_events < 16) {
    return absl::InvalidArgumentError(
        absl::StrCat("outbox events: the most is ", max_events, "; it must be at least 16"));
  }
  return absl::OkStatus();
}

void StreamOutbox::AddWaiting(int64_t bytes, int chunks) {
  waiting_bytes_ += bytes;
  waiting_chunks_ += chunks;
  send_buffer_bytes_->Increment(static_cast<double>(bytes));
  if (waiting_bytes_ >= limits_.high_bytes || waiting_chunks_ >= limits_.high_chunks) {
    blocked_ = true;
  } else if (waiting_bytes_ <= limits_.low_bytes && waiting_chunks_ <= limits_.low_chunks) {
    blocked_ = false;
  }
}

absl::Status StreamOutbox::Push(StreamEvent event) {
  {
    MutexLock lock(&mutex_);
    if (closed_) return absl::CancelledError("the viewer's connection is gone");
    if (end_.has_value()) return absl::CancelledError("the stream has ended");
    if (events_.size() >= limits_.max_events) {
      return absl::ResourceExhaustedError(
          absl::StrCat(events_.size(), " responses wait for this viewer, who does not read; read while you write"));
    }
    AddWaiting(BytesOf(event), std::holds_alternative<ChunkEvent>(event) ? 1 : 0);
    events_.push_back(std::move(event));
  }
  Notify();
  return absl::OkStatus();
}

void StreamOutbox::End(absl::Status status, std::optional<StreamEvent> last) {
  {
    MutexLock lock(&mutex_);
    if (!end_.has_value()) {
      end_ = std::move(status);
      if (last.has_value() && !closed_) events_.push_back(*std::move(last));
    }
  }
  Notify();
}

std::optional<StreamEvent> StreamOutbox::Take() {
  MutexLock lock(&mutex_);
  if (writing_ || events_.empty()) return std::nullopt;
  std::optional<StreamEvent> event = std::move(events_.front());
  events_.pop_front();
  writing_ = true;
  writing_bytes_ = BytesOf(*event);
  writing_chunk_ = std::holds_alternative<ChunkEvent>(*event);
  return event;
}

void StreamOutbox::Delivered() {
  {
    MutexLock lock(&mutex_);
    if (!writing_) return;
    writing_ = false;
    if (!closed_) AddWaiting(-writing_bytes_, writing_chunk_ ? -1 : 0);
  }
  NotifyBlocked();
}

bool StreamOutbox::ending() {
  MutexLock lock(&mutex_);
  return end_.has_value();
}

std::optional<absl::Status> StreamOutbox::Ended() {
  MutexLock lock(&mutex_);
  if (writing_ || !events_.empty()) return std::nullopt;
  return end_;
}

void StreamOutbox::Close() {
  MutexLock lock(&mutex_);
  if (std::exchange(closed_, true)) return;
  events_.clear();
  AddWaiting(-waiting_bytes_, -waiting_chunks_);
}

void StreamOutbox::Notify() {
  NotifyBlocked();
  if (const std::shared_ptr<Listener> listener = listener_.lock()) listener->OnReadable();
}

void StreamOutbox::NotifyBlocked() {
  MutexLock notify_lock(&notify_mutex_);
  bool blocked;
  {
    MutexLock lock(&mutex_);
    blocked = blocked_;
  }
  if (blocked == std::exchange(told_blocked_, blocked)) return;
  if (const std::shared_ptr<Listener> listener = listener_.lock()) listener->OnBlockedChanged(blocked);
}

}  // namespace videodiffcr
