// Events of one session on their way to its connection. Bounded: above the high watermark the session's generation is
// held, below the low one it goes on; what was in the making when the mark was passed still fits (the scheduler lets at
// most three chunks be on their way).
//
// Thread-safe. Nothing here blocks: the scheduler's threads push, gRPC's threads take, one event at a time.
#ifndef VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_
#define VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
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

class StreamOutbox {
 public:
  // Who empties the outbox. Both are called without any lock of the outbox that Take() needs.
  class Listener {
   public:
    virtual ~Listener() = default;
    // There may be something to take. From the thread that pushed.
    virtual void OnReadable() = 0;
    // The watermarks were crossed. Never called twice at once, and always ends with the latest value. It must not call
    // back into the outbox.
    virtual void OnBlockedChanged(bool blocked) = 0;
  };

  // `send_buffer_bytes` outlives the outbox.
  StreamOutbox(const OutboxLimits& limits, prometheus::Gauge* send_buffer_bytes)
      : limits_(limits), send_buffer_bytes_(send_buffer_bytes) {}
  ~StreamOutbox() { Close(); }
  StreamOutbox(const StreamOutbox&) = delete;
  StreamOutbox& operator=(const StreamOutbox&) = delete;

  // Call once, before the first Push(). Weak: a call that is over no longer wants to hear.
  void SetListener(std::weak_ptr<Listener> listener) { listener_ = std::move(listener); }

  // Cancelled after Close() and after End(), ResourceExhausted when `max_events` wait.
  absl::Status Push(StreamEvent event);

  // Nothing comes after this; `status` is how the stream ends once the outbox is empty. `last` joins the events in the
  // same step, beyond `max_events` too, so that what another thread pushes cannot come behind it. The first call
  // counts.
  void End(absl::Status status, std::optional<StreamEvent> last = std::nullopt);

  // The next event, or nothing when there is none or the one taken before was not yet Delivered().
  std::optional<StreamEvent> Take();

  // The transport has the event taken last.
  void Delivered();

  // End() was called: what waits now is all that is left.
  bool ending();

  // Set when all events were delivered and End() was called.
  std::optional<absl::Status> Ended();

  // Drops everything; the connection is gone.
  void Close();

 private:
  void Notify();
  void NotifyBlocked();
  void AddWaiting(int64_t bytes, int chunks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after SetListener().
  const OutboxLimits limits_;
  prometheus::Gauge* const send_buffer_bytes_;
  std::weak_ptr<Listener> listener_;

  Mutex mutex_;
  std::deque<StreamEvent> events_ ABSL_GUARDED_BY(mutex_);
  // Of `events_` and of the event being written.
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool blocked_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t writing_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_chunk_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);

  // Held while the listener hears of a change, so that two threads cannot tell it in the wrong order. Before mutex_.
  Mutex notify_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  bool told_blocked_ ABSL_GUARDED_BY(notify_mutex_) = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_STREAM_OUTBOX_H_
