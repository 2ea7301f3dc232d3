// How many messages a client may send: `burst` at once, `per_second` in the long run.
#ifndef VIDEODIFFCR_SERVER_RPC_TOKEN_BUCKET_H_
#define VIDEODIFFCR_SERVER_RPC_TOKEN_BUCKET_H_

#include <algorithm>

#include "absl/time/time.h"

namespace videodiffcr {

// One thread at a time.
class TokenBucket {
 public:
  TokenBucket(double per_second, int burst, absl::Time now)
      : per_second_(per_second), burst_(burst), tokens_(burst), updated_(now) {}

  // Whether one more message is allowed at `now`. A clock that steps back gives nothing and takes nothing.
  bool Take(absl::Time now) {
    const double elapsed = std::max(0.0, absl::ToDoubleSeconds(now - updated_));
    tokens_ = std::min(burst_, tokens_ + elapsed * per_second_);
    updated_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  const double per_second_;
  const double burst_;
  double tokens_;
  absl::Time updated_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_TOKEN_BUCKET_H_
