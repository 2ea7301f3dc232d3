#include "server/delivery/stream_outbox.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

int64_t BytesOf(const StreamEvent& event) {
  if (const auto* chunk = std::get_if<ChunkEvent>(&event)) {
    return static_cast<int64_t>(chunk->init_segment.size() + chunk->payload.size());
  }
  if (const auto* fragment = std::get_if<FirstFragmentEvent>(&event)) {
    return static_cast<int64_t>(fragment->init_segment.size() + fragment->payload.size());
  }
  const auto* snapshot = std::get_if<SnapshotEvent>(&event);
  return snapshot == nullptr ? 0 : static_cast<int64_t>(snapshot->state.size());
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

absl::Status ReplayLimits::Validate() const {
  if (chunks < 0 || chunks > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("replay_chunks is ", chunks, "; it must be from 0 to 1024"));
  }
  if (bytes < 0 || bytes > int64_t{1} << 40) {
    return absl::InvalidArgumentError(absl::StrCat("replay_bytes is ", bytes, "; it must be from 0 to 1 TiB"));
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

void StreamOutbox::AddKept(const Entry& entry, int sign) {
  kept_bytes_ += sign * entry.bytes;
  kept_chunks_ += entry.chunk.has_value() ? sign : 0;
}

OutgoingEvent StreamOutbox::Append(StreamEvent event) {
  Entry entry;
  entry.number = next_number_++;
  entry.bytes = BytesOf(event);
  if (const auto* chunk = std::get_if<ChunkEvent>(&event)) entry.chunk = chunk->sequence;
  entry.snapshot = std::holds_alternative<SnapshotEvent>(event);
  entry.event = std::make_shared<StreamEvent>(std::move(event));
  const int64_t dropped = entry.snapshot ? DropWaitingSnapshot() : 0;
  AddWaiting(entry.bytes - dropped, entry.chunk.has_value() ? 1 : 0);
  entries_.push_back(entry);
  return {entry.number, std::move(entry.event)};
}

int64_t StreamOutbox::DropWaitingSnapshot() {
  for (size_t i = entries_.size(); i > sent_ + (writing_ ? 1 : 0); --i) {
    const Entry& entry = entries_[i - 1];
    if (entry.chunk.has_value()) return 0;
    if (!entry.snapshot) continue;
    const int64_t bytes = entry.bytes;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    return bytes;
  }
  return 0;
}

void StreamOutbox::ForgetOlderSnapshot() {
  if (!entries_[sent_ - 1].snapshot) return;
  for (size_t i = sent_ - 1; i > 0; --i) {
    if (!entries_[i - 1].snapshot) continue;
    AddKept(entries_[i - 1], -1);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    --sent_;
    return;  // there was one at most
  }
}

absl::Status StreamOutbox::Push(StreamEvent event) {
  OutgoingEvent pushed;
  {
    MutexLock lock(&mutex_);
    if (closed_) return absl::CancelledError("the viewer's connection is gone");
    if (end_.has_value()) return absl::CancelledError("the stream has ended");
    if (const size_t waiting = entries_.size() - sent_; waiting >= limits_.max_events) {
      return absl::ResourceExhaustedError(
          absl::StrCat(waiting, " responses wait for this viewer, who does not read; read while you write"));
    }
    pushed = Append(std::move(event));
  }
  if (tap_ == nullptr || !tap_->Listening()) pushed.event.reset();
  Notify();
  if (pushed.event != nullptr) tap_->OnEvent(pushed);
  return absl::OkStatus();
}

void StreamOutbox::Offer(StreamEvent event) {
  {
    MutexLock lock(&mutex_);
    const bool full = blocked_ || entries_.size() - sent_ >= limits_.max_events;
    if (closed_ || end_.has_value() || hint_.has_value() || full) return;
    const int64_t bytes = BytesOf(event);
    hint_ = Hint{std::make_shared<StreamEvent>(std::move(event)), bytes};
    AddWaiting(bytes, 0);
  }
  Notify();
}

void StreamOutbox::DropHint() {
  if (!hint_.has_value()) return;
  AddWaiting(-hint_->bytes, 0);
  hint_.reset();
}

void StreamOutbox::End(absl::Status status, std::optional<StreamEvent> last) {
  {
    MutexLock lock(&mutex_);
    if (end_.has_value()) {
      status = *end_;
      last.reset();
    }
  }
  // Before the viewer: who has seen its stream end finds the session over for watchers, too.
  if (tap_ != nullptr) tap_->OnEnd(status, last.has_value() ? &*last : nullptr);
  {
    MutexLock lock(&mutex_);
    if (!end_.has_value()) {
      end_ = std::move(status);
      if (last.has_value() && !closed_) Append(*std::move(last));
    }
  }
  Notify();
}

std::optional<OutgoingEvent> StreamOutbox::Take(int64_t connection) {
  MutexLock lock(&mutex_);
  if (connection != connection_ || writing_ || HintInFlight()) return std::nullopt;
  if (hint_.has_value()) return OutgoingEvent{0, std::exchange(hint_->event, nullptr)};
  if (sent_ == entries_.size()) return std::nullopt;
  Entry& entry = entries_[sent_];
  writing_ = true;
  if (entry.chunk.has_value()) taken_through_ = std::max(taken_through_, *entry.chunk);
  return OutgoingEvent{entry.number, replay_.chunks > 0 ? entry.event : std::exchange(entry.event, nullptr)};
}

bool StreamOutbox::Delivered(int64_t connection) {
  bool was_chunk = false;
  {
    MutexLock lock(&mutex_);
    if (connection != connection_) return false;
    if (HintInFlight()) {
      DropHint();
    } else if (!std::exchange(writing_, false)) {
      return false;
    } else if (!closed_) {
      const Entry& entry = entries_[sent_++];
      was_chunk = entry.chunk.has_value();
      AddWaiting(-entry.bytes, entry.chunk.has_value() ? -1 : 0);
      AddKept(entry, 1);
      ForgetOlderSnapshot();
      ForgetWhatMayGo();
    }
  }
  NotifyRoom();
  return was_chunk;
}

void StreamOutbox::Forget() {
  const Entry& oldest = entries_.front();
  AddKept(oldest, -1);
  forgotten_through_ = std::max(forgotten_through_, oldest.chunk.value_or(-1));
  entries_.pop_front();
  --sent_;
}

void StreamOutbox::ForgetWhatMayGo() {
  size_t may_go = 0;  // up to the last chunk that is acknowledged
  for (size_t i = 0; i < sent_; ++i) {
    if (entries_[i].chunk.value_or(acknowledged_through_ + 1) <= acknowledged_through_) may_go = i + 1;
  }
  for (; may_go > 0; --may_go) Forget();
  while (sent_ > 0 && (replay_.chunks == 0 || kept_chunks_ > replay_.chunks || kept_bytes_ > replay_.bytes ||
                       sent_ > limits_.max_events)) {
    Forget();
  }
}

absl::Status StreamOutbox::Acknowledge(int64_t sequence) {
  MutexLock lock(&mutex_);
  if (sequence > taken_through_) {
    return absl::OutOfRangeError(absl::StrCat("chunk ", sequence, " was never sent"));
  }
  acknowledged_through_ = std::max(acknowledged_through_, sequence);
  ForgetWhatMayGo();
  return absl::OkStatus();
}

absl::Status StreamOutbox::CheckReplay(int64_t last_sequence) {
  if (last_sequence > taken_through_) {
    return absl::OutOfRangeError(absl::StrCat("chunk ", last_sequence, " was never sent"));
  }
  if (closed_) return absl::DataLossError("the session is over and nothing of it is kept");
  if (replay_.chunks == 0)
    return absl::DataLossError("the session was not started as resumable: nothing of it is kept");
  if (last_sequence < forgotten_through_) {
    return absl::DataLossError(
        absl::StrCat("chunk ", last_sequence + 1, " is not kept any more; the oldest is ", forgotten_through_ + 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> StreamOutbox::Reconnect(std::optional<int64_t> last_sequence) {
  const int64_t last = last_sequence.value_or(-1);
  int64_t connection;
  {
    MutexLock lock(&mutex_);
    if (absl::Status status = CheckReplay(last); !status.ok()) return status;
    connection = ++connection_;
    writing_ = false;
    DropHint();
    acknowledged_through_ = std::max(acknowledged_through_, last);
    ForgetWhatMayGo();
    for (; sent_ > 0; --sent_) {
      const Entry& again = entries_[sent_ - 1];
      AddKept(again, -1);
      AddWaiting(again.bytes, again.chunk.has_value() ? 1 : 0);
    }
    // The one in flight arrived, though nobody told us; so did whatever was sent before it.
    while (!entries_.empty() && forgotten_through_ < last) {
      AddWaiting(-entries_.front().bytes, entries_.front().chunk.has_value() ? -1 : 0);
      AddKept(entries_.front(), 1);
      ++sent_;
      Forget();
    }
  }
  NotifyRoom();
  return connection;
}

bool StreamOutbox::ending() {
  MutexLock lock(&mutex_);
  return end_.has_value();
}

std::optional<absl::Status> StreamOutbox::Ended(int64_t connection) {
  MutexLock lock(&mutex_);
  if (connection != connection_ || writing_ || hint_.has_value() || sent_ < entries_.size()) return std::nullopt;
  return end_;
}

int64_t StreamOutbox::held_bytes() {
  MutexLock lock(&mutex_);
  return kept_bytes_ + waiting_bytes_;
}

void StreamOutbox::Drop(absl::Status status) {
  MutexLock lock(&mutex_);
  end_ = std::move(status);
  if (!HintInFlight()) DropHint();
  while (entries_.size() > sent_ + (writing_ ? 1 : 0)) {
    AddWaiting(-entries_.back().bytes, entries_.back().chunk.has_value() ? -1 : 0);
    entries_.pop_back();
  }
}

void StreamOutbox::Close() {
  MutexLock lock(&mutex_);
  if (std::exchange(closed_, true)) return;
  entries_.clear();
  hint_.reset();
  sent_ = 0;
  kept_bytes_ = kept_chunks_ = 0;
  AddWaiting(-waiting_bytes_, -waiting_chunks_);
}

void StreamOutbox::Notify() {
  NotifyRoom();
  if (const std::shared_ptr<Listener> listener = listener_.lock()) listener->OnReadable();
}

void StreamOutbox::NotifyRoom() {
  MutexLock notify_lock(&notify_mutex_);
  int room;
  {
    MutexLock lock(&mutex_);
    room = Room();
  }
  if (room == std::exchange(told_room_, room)) return;
  if (const std::shared_ptr<Listener> listener = listener_.lock()) listener->OnRoomChanged(room);
}

}  // namespace videodiffcr
