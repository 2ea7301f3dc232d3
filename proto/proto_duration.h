// Durations of messages as Abseil's, and as seconds; for servers and clients.
#ifndef VIDEODIFFCR_PROTO_PROTO_DURATION_H_
#define VIDEODIFFCR_PROTO_PROTO_DURATION_H_

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace videodiffcr {

// Seconds and nanoseconds have one sign, as Protobuf wants it.
inline google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration proto;
  const absl::Duration whole = absl::Trunc(duration, absl::Seconds(1));
  proto.set_seconds(absl::ToInt64Seconds(whole));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - whole)));
  return proto;
}

inline double ToSeconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() * 1e-9;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PROTO_PROTO_DURATION_H_
