// What a client is told about a refusal: the status, and its details of google.rpc.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_REFUSAL_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_REFUSAL_H_

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace videodiffcr {

struct Refusal {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string reason;          // of ErrorInfo; empty when there is none
  std::string field;           // of ErrorInfo's metadata
  std::string value;           // likewise
  std::string violated_field;  // of BadRequest
  std::string message;
};

// Fails the test when an ErrorInfo is not of our domain.
Refusal RefusalOf(const grpc::Status& status);

// The detail of this type in a status; nullopt when it has none.
template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& any : details.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_REFUSAL_H_
