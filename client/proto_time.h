// Protobuf durations as seconds.
#ifndef VIDEODIFFCR_CLIENT_PROTO_TIME_H_
#define VIDEODIFFCR_CLIENT_PROTO_TIME_H_

#include "google/protobuf/duration.pb.h"

namespace videodiffcr {

inline double ToSeconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() * 1e-9;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_PROTO_TIME_H_
