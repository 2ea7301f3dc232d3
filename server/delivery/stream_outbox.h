// Events of one session on their way to its connection, and to the next one if that breaks: events that were sent stay
// until they are acknowledged or until there are too many of them, so that a client that comes back hears them again.
// Bounded: the scheduler makes no more chunks than there is room for below the high watermark, and holds the session's
// generation from there until the low one. Of bytes, whose number shows when a chunk is encoded, what was in the making
// when the mark was passed still fits.
//
// Thread-safe. Nothing here blocks: the scheduler's threads push, gRPC's threads take, one event at a time.
#ifndef VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_
#define VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "prometheus/gauge.h"
#include "server/delivery/stream_event.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Waiting for the connection and being written, together.
struct OutboxLimits {
  int64_t high_bytes = int64_t{8} << 20;  // at this or above: hold generation
  int64_t low_bytes = int64_t{4} << 20;   // at this or below, and chunks low too: let it go on
  int high_chunks = 4;
  int low_chunks = 2;
  // Events of any kind. A viewer that never reads but keeps sending controls would otherwise fill memory with answers.
  size_t max_events = 256;

  absl::Status Validate() const;
};

// Chunks that were sent and are kept, with the events between them; of snapshots the latest alone, which makes those
// before it useless. When there are more, the oldest go.
struct ReplayLimits {
  int chunks = 16;  // 0: nothing is kept
  int64_t bytes = int64_t{16} << 20;

  absl::Status Validate() const;
};

// An event as one connection is handed it.
struct OutgoingEvent {
  int64_t number = 0;  // from 1 on, in the session; the same whenever it is sent. 0: it was offered
  // Shared with the outbox while it is kept, and with who else listens; nobody changes it then.
  std::shared_ptr<StreamEvent> event;
};

class StreamOutbox {
 public:
  // Who empties the outbox. Both are called without any lock of the outbox that Take() needs.
  class Listener {
   public:
    virtual ~Listener() = default;
    // There may be something to take. From the thread that pushed.
    virtual void OnReadable() = 0;
    // So many chunks more may wait: none from the high watermark down to the low one. Never called twice at once, and
    // always ends with the latest value, before the Push() that changed it returns. It must not call back into the
    // outbox.
    virtual void OnRoomChanged(int chunks) = 0;
  };

  // Who else hears of everything, from the thread that pushed, after the listener. Both return at once.
  class Tap {
   public:
    virtual ~Tap() = default;
    // Whether anybody would hear the next event. An event that nobody else hears need not be copied for its viewer.
    virtual bool Listening() = 0;
    virtual void OnEvent(const OutgoingEvent& event) = 0;
    // Before the viewer can know. `last`: null where the end has no event of its own. More than once, perhaps: the
    // first counts.
    virtual void OnEnd(const absl::Status& status, const StreamEvent* last) = 0;
  };

  // `send_buffer_bytes` outlives the outbox. `replay.chunks` 0: what was sent is gone. `first_sequence`: of the first
  // chunk; those before it are another server's.
  StreamOutbox(const OutboxLimits& limits, const ReplayLimits& replay, prometheus::Gauge* send_buffer_bytes,
               int64_t first_sequence = 0)
      : limits_(limits),
        replay_(replay),
        send_buffer_bytes_(send_buffer_bytes),
        taken_through_(first_sequence - 1),
        acknowledged_through_(first_sequence - 1),
        forgotten_through_(first_sequence - 1) {}
  ~StreamOutbox() { Close(); }
  StreamOutbox(const StreamOutbox&) = delete;
  StreamOutbox& operator=(const StreamOutbox&) = delete;

  // Call once, before the first Push(); it hears of the room at once. Weak: a call that is over no longer wants to
  // hear.
  void SetListener(std::weak_ptr<Listener> listener) {
    listener_ = std::move(listener);
    NotifyRoom();
  }

  // Call once, before the first Push(). Shared: the outbox may outlive who made it.
  void SetTap(std::shared_ptr<Tap> tap) { tap_ = std::move(tap); }

  // Cancelled after Close() and after End(), ResourceExhausted when `max_events` wait.
  absl::Status Push(StreamEvent event);

  // Ahead of all that waits, for the connection that there is and for no other: what a client may do without. Dropped
  // where Push() would fail, above the high watermark, and behind one that was offered before and not taken.
  void Offer(StreamEvent event);

  // Nothing comes after this; `status` is how the stream ends once the outbox is empty. `last` joins the events in the
  // same step, beyond `max_events` too, so that what another thread pushes cannot come behind it. The first call
  // counts.
  void End(absl::Status status, std::optional<StreamEvent> last = std::nullopt);

  // Connections are numbered; the first is 0. Only the latest is given anything.
  static constexpr int64_t kFirstConnection = 0;

  // The next event, or nothing when there is none or the one taken before was not yet Delivered().
  std::optional<OutgoingEvent> Take(int64_t connection);

  // The transport has the event taken last. Whether that was a chunk: only who takes those reads what it asked for.
  bool Delivered(int64_t connection);

  // The client has every chunk up to this one. OutOfRange when it was never sent.
  absl::Status Acknowledge(int64_t sequence);

  // The number of a new connection, which is sent everything behind chunk `last_sequence` (nullopt: everything), what
  // was in flight on the one before included; that one is given nothing any more. OutOfRange when that chunk was never
  // sent, DataLoss when the one after it is not kept any more, and nothing changes then.
  absl::StatusOr<int64_t> Reconnect(std::optional<int64_t> last_sequence);

  // End() was called: what waits now is all that is left.
  bool ending();

  // Set when all events were delivered to this connection and End() was called.
  std::optional<absl::Status> Ended(int64_t connection);

  // What is kept and what waits, in bytes.
  int64_t held_bytes();

  // Drops what waits and is not in flight, and ends with `status`, whatever the end was to be.
  void Drop(absl::Status status);

  // Drops everything; nobody will connect any more.
  void Close();

 private:
  struct Entry {
    int64_t number = 0;
    std::shared_ptr<StreamEvent> event;  // null once it was taken and is not to be kept
    int64_t bytes = 0;
    std::optional<int64_t> chunk;  // its sequence
    bool snapshot = false;
  };

  // What was offered: waits, or is in flight.
  struct Hint {
    std::shared_ptr<StreamEvent> event;  // null once it was taken
    int64_t bytes = 0;
  };

  void Notify();
  void NotifyRoom();
  int Room() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return blocked_ ? 0 : limits_.high_chunks - waiting_chunks_;
  }
  // A snapshot takes the place of one that waits without a chunk between them: a client that asks for many and reads
  // none has one.
  OutgoingEvent Append(StreamEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The bytes of the snapshot that waits behind the last chunk, which is dropped; 0 when there is none.
  int64_t DropWaitingSnapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The entry delivered last makes useless what is kept of its kind.
  void ForgetOlderSnapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddWaiting(int64_t bytes, int chunks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HintInFlight() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return hint_.has_value() && hint_->event == nullptr;
  }
  void DropHint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddKept(const Entry& entry, int sign) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The oldest, which was sent.
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is acknowledged, or beyond the limits.
  void ForgetWhatMayGo() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckReplay(int64_t last_sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after SetListener() and SetTap().
  const OutboxLimits limits_;
  const ReplayLimits replay_;
  prometheus::Gauge* const send_buffer_bytes_;
  std::weak_ptr<Listener> listener_;
  std::shared_ptr<Tap> tap_;

  Mutex mutex_;
  // The first `sent_` were delivered and are kept, the next is in flight if `writing_`, the others wait.
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  size_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Hint> hint_ ABSL_GUARDED_BY(mutex_);
  int64_t connection_ ABSL_GUARDED_BY(mutex_) = kFirstConnection;
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // Of what waits and of what is in flight.
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool blocked_ ABSL_GUARDED_BY(mutex_) = false;
  // Of what is kept.
  int64_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int kept_chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  // Sequences of chunks; -1: none.
  int64_t taken_through_ ABSL_GUARDED_BY(mutex_);  // given to a connection
  int64_t acknowledged_through_ ABSL_GUARDED_BY(mutex_);
  int64_t forgotten_through_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);

  // Held while the listener hears of a change, so that two threads cannot tell it in the wrong order. Before mutex_.
  Mutex notify_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  int told_room_ ABSL_GUARDED_BY(notify_mutex_) = 0;  // 0, as nothing was told
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_
