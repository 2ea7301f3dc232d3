// Moments for gRPC that a step of the wall clock does not move; for servers and clients.
#ifndef VIDEODIFFCR_PROTO_GRPC_DEADLINE_H_
#define VIDEODIFFCR_PROTO_GRPC_DEADLINE_H_

#include "absl/time/time.h"
#include "grpc/support/time.h"

namespace videodiffcr {

inline gpr_timespec GrpcDeadline(absl::Duration from_now) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_micros(absl::ToInt64Microseconds(from_now), GPR_TIMESPAN));
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PROTO_GRPC_DEADLINE_H_
