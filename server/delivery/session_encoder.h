// The encoder of one session, which is made once the session has its place and not before: for frames of 832x480 it has
// fourteen threads (docs/threading.md), and many sessions may wait for a place. Thread-safe: whoever submits the
// session and the scheduler's threads may each be the first to know of its place.
#ifndef VIDEODIFFCR_SERVER_DELIVERY_SESSION_ENCODER_H_
#define VIDEODIFFCR_SERVER_DELIVERY_SESSION_ENCODER_H_

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/media/encoder.h"
#include "threading/mutex.h"

namespace videodiffcr {

class SessionEncoder {
 public:
  using Made = absl::StatusOr<std::unique_ptr<ChunkEncoder>>;

  explicit SessionEncoder(std::function<Made()> make) : make_(std::move(make)) {}

  // The session has its place. Makes the encoder unless that was done, and says how it went.
  absl::Status Prepare();

  // Once, by whoever submitted the session, when chunks may come; an error if they may not.
  void Allow(absl::Status status) { allowed_.set_value(std::move(status)); }

  // Once, for the first chunk: waits for Allow(), and makes the encoder if nobody has.
  Made Take();

 private:
  std::promise<absl::Status> allowed_;
  Mutex mutex_;
  std::function<Made()> make_ ABSL_GUARDED_BY(mutex_);
  std::optional<Made> made_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_SESSION_ENCODER_H_
