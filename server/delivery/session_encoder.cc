#include "server/delivery/session_encoder.h"

#include <utility>

#include "system/guarded.h"

namespace videodiffcr {

absl::Status SessionEncoder::Prepare() {
  MutexLock lock(&mutex_);
  if (!made_.has_value()) made_ = Guarded("making the encoder", make_);
  return made_->status();
}

SessionEncoder::Made SessionEncoder::Take() {
  if (absl::Status status = allowed_.get_future().get(); !status.ok()) return status;
  if (absl::Status status = Prepare(); !status.ok()) return status;
  MutexLock lock(&mutex_);
  return *std::move(made_);
}

}  // namespace videodiffcr
