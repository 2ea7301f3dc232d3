// Errors as HTTP tells them: a status, and JSON with the reason of docs/errors.md.
#ifndef VIDEODIFFCR_GATEWAY_ERROR_RESPONSE_H_
#define VIDEODIFFCR_GATEWAY_ERROR_RESPONSE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gateway/http/http_message.h"
#include "nlohmann/json.hpp"

namespace videodiffcr {

// An error of the gateway's own, with details as the server's have them. `field` may be empty.
absl::Status GatewayError(absl::StatusCode code, const std::string& reason, const std::string& message,
                          const std::string& field = "");

// `status` with the word that trying again after `delay` may help.
absl::Status RetryAfter(absl::Duration delay, absl::Status status);

// ResourceExhausted: the gateway's own threads have no time.
absl::Status Busy();

// {"code": reason, "reason": reason, "status": "INVALID_ARGUMENT", "type", "message", and, where known, "param" (the
// field), "metadata", "retry_after_seconds"}. `code`, `type`, `message` and `param` are what OpenAI's clients read.
nlohmann::json ErrorJson(const absl::Status& status);

// {"error": ErrorJson} with the HTTP status that fits, and Retry-After where the server said when.
HttpResponse ErrorResponse(const absl::Status& status);

HttpResponse JsonResponse(int status, const nlohmann::json& body);

// As text; bytes that are not UTF-8 become U+FFFD.
std::string JsonText(const nlohmann::json& value);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_ERROR_RESPONSE_H_
