// When the sessions of a load begin.
#ifndef VIDEODIFFCR_CLIENT_LOAD_ARRIVALS_H_
#define VIDEODIFFCR_CLIENT_LOAD_ARRIVALS_H_

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

// Open loop: sessions come when they come, however slow the server is. Closed loop: so many at once, each followed by
// another when it is over.
struct Arrivals {
  enum class Kind { kClosed, kPoisson, kBurst, kTrace };
  Kind kind = Kind::kClosed;
  int count = 4;           // kClosed: at once; kBurst: in one burst
  double per_second = 0;   // kPoisson
  absl::Duration period;   // kBurst: from one burst to the next
  std::string trace_file;  // kTrace: one moment per line, in seconds from the start
};

// "closed:8", "poisson:2.5" (a second), "burst:16@10s" or "trace:FILE"; InvalidArgument says what it must be.
absl::StatusOr<Arrivals> ParseArrivals(std::string_view text);

// The moments from the start, rising, that lie within `duration`; none for a closed loop. Errors are those of the trace
// file, line named.
absl::StatusOr<std::vector<absl::Duration>> ArrivalTimes(const Arrivals& arrivals, absl::Duration duration,
                                                         std::mt19937_64* random);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_ARRIVALS_H_
