#include "gateway/error_response.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/call_status.h"
#include "google/rpc/error_details.pb.h"
#include "proto/proto_duration.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

const char* ErrorType(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

absl::Status GatewayError(absl::StatusCode code, const std::string& reason, const std::string& message,
                          const std::string& field) {
  google::rpc::ErrorInfo info;
  info.set_domain(kErrorDomain);
  info.set_reason(reason);
  absl::Status status = WithDetail(absl::Status(code, message), info);
  if (field.empty()) return status;
  google::rpc::BadRequest bad_request;
  google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
  violation->set_field(field);
  violation->set_description(message);
  return WithDetail(std::move(status), bad_request);
}

absl::Status RetryAfter(absl::Duration delay, absl::Status status) {
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = ToProtoDuration(delay);
  return WithDetail(std::move(status), retry);
}

absl::Status Busy() {
  return GatewayError(absl::StatusCode::kResourceExhausted, "GATEWAY_BUSY",
                      "the gateway has too much to do already: try again later");
}

nlohmann::json ErrorJson(const absl::Status& status) {
  const std::string name(absl::StatusCodeToString(status.code()));
  const auto info = ErrorInfoOf(status);
  const std::string reason = info.has_value() ? info->reason() : name;
  nlohmann::json error = {{"status", name},
                          {"reason", reason},
                          {"code", reason},
                          {"type", ErrorType(HttpStatus(status.code()))},
                          {"message", std::string(status.message())},
                          {"param", nullptr}};
  if (info.has_value() && !info->metadata().empty()) {
    error["metadata"] = nlohmann::json::object();
    for (const auto& [key, value] : info->metadata()) error["metadata"][key] = value;
  }
  const auto bad_request = BadRequestOf(status);
  if (bad_request.has_value() && bad_request->field_violations_size() > 0) {
    error["param"] = bad_request->field_violations(0).field();
  }
  const auto retry = RetryInfoOf(status);
  if (retry.has_value()) error["retry_after_seconds"] = ToSeconds(retry->retry_delay());
  return error;
}

HttpResponse ErrorResponse(const absl::Status& status) {
  HttpResponse response = JsonResponse(HttpStatus(status.code()), {{"error", ErrorJson(status)}});
  const auto retry = RetryInfoOf(status);
  if (retry.has_value()) {
    const int64_t seconds = static_cast<int64_t>(std::ceil(ToSeconds(retry->retry_delay())));
    response.headers.emplace_back("Retry-After", absl::StrCat(seconds));
  }
  return response;
}

HttpResponse JsonResponse(int status, const nlohmann::json& body) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = JsonText(body) + "\n";
  return response;
}

std::string JsonText(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace videodiffcr
