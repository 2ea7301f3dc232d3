#include "server/rpc/status_conversion.h"

#include <new>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "google/rpc/status.pb.h"
#include "proto/status_details.h"
#include "scheduler/idleness.h"
#include "scheduler/model_loss.h"
#include "scheduler/scheduler.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

// Trailers share gRPC's 8 KiB limit for metadata; a longer message would lose the whole status on its way.
constexpr size_t kMaxMessageBytes = 1024;

const char* ReasonFor(const absl::Status& status) {
  if (IsModelLost(status)) return error_reason::kModelLost;
  if (IsIdle(status)) return "SESSION_IDLE";
  if (IsLifetimeOver(status)) return "SESSION_LIFETIME";
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return error_reason::kServerFull;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
      return error_reason::kDraining;
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_REQUEST";
    default:
      return "GENERATION_FAILED";
  }
}

grpc::Status WithDetails(const absl::Status& original) {
  absl::Status status = WithErrorInfo(original, ReasonFor(original));
  if (const std::optional<absl::Duration> retry_after = RetryAfter(status); retry_after.has_value()) {
    status = WithRetryInfo(std::move(status), *retry_after);
  }
  const std::string message = std::string(status.message().substr(0, kMaxMessageBytes));
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  status.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& payload) {
    if (!IsDetail(type_url)) return;  // the scheduler's "retry after"
    auto* detail = details.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, details.SerializeAsString());
}

}  // namespace

std::string ReasonSent(const absl::Status& status) { return ErrorReason(WithErrorInfo(status, ReasonFor(status))); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  try {
    return WithDetails(status);
  } catch (const std::bad_alloc&) {
    // Whoever cannot be told more is told at least this: a call that is not ended stays for ever.
    return grpc::Status(static_cast<grpc::StatusCode>(status.code()), "");
  }
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace videodiffcr
