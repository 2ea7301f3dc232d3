// The one place where absl::Status becomes grpc::Status.
#ifndef VIDEODIFFCR_SERVER_RPC_STATUS_CONVERSION_H_
#define VIDEODIFFCR_SERVER_RPC_STATUS_CONVERSION_H_

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace videodiffcr {

// Code and message as they are; the payloads travel as details of a google.rpc.Status in "grpc-status-details-bin". A
// status without ErrorInfo gets one with a reason by its code, a ResourceExhausted of the scheduler RetryInfo from
// RetryAfter(). Where there is no memory for all that, the code alone.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reason that a client is told: of the status's own ErrorInfo, or by its code.
std::string ReasonSent(const absl::Status& status);

// "OK", "INVALID_ARGUMENT": names of codes for metric labels and log lines.
std::string CodeName(absl::StatusCode code);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_STATUS_CONVERSION_H_
