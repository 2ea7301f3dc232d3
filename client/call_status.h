// gRPC's answers as absl::Status, with the google.rpc details kept and readable.
#ifndef VIDEODIFFCR_CLIENT_CALL_STATUS_H_
#define VIDEODIFFCR_CLIENT_CALL_STATUS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/support/status.h"

namespace videodiffcr {

// The same code and message. Each google.rpc detail becomes a payload under its type URL; details that do not parse are
// dropped.
absl::Status ToAbslStatus(const grpc::Status& status);

// The google.rpc.ErrorInfo of a status made by ToAbslStatus(); nullopt when the server sent none.
std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status);

// The google.rpc.BadRequest of a status made by ToAbslStatus(); nullopt when the server sent none.
std::optional<google::rpc::BadRequest> BadRequestOf(const absl::Status& status);

// The google.rpc.RetryInfo of a status made by ToAbslStatus(); nullopt when the server sent none.
std::optional<google::rpc::RetryInfo> RetryInfoOf(const absl::Status& status);

// For people: "INVALID_ARGUMENT: <message>", then one indented line per field at fault, reason and advice. Only the
// line ends are control characters, whatever the server said.
std::string DescribeStatus(const absl::Status& status);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_CALL_STATUS_H_
