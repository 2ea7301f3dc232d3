// What the server says of an error beside its message: details as proto/status_details.h has them, sent by
// status_conversion.h. docs/errors.md lists the reasons.
#ifndef VIDEODIFFCR_SERVER_RPC_ERROR_DETAILS_H_
#define VIDEODIFFCR_SERVER_RPC_ERROR_DETAILS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

// InvalidArgument "<field>: <problem> (got <value>)", with ErrorInfo{reason, metadata field and value} and BadRequest
// naming the field. `value` may be anything a client sent: it is cut to 100 bytes and what is not printable ASCII is
// escaped.
absl::Status FieldError(absl::string_view reason, absl::string_view field, absl::string_view value,
                        absl::string_view problem);

// `status` with ErrorInfo; one that is there already stays. OK stays OK.
absl::Status WithErrorInfo(absl::Status status, absl::string_view reason,
                           const std::map<std::string, std::string>& metadata = {});

// `status` with RetryInfo: try again after this long.
absl::Status WithRetryInfo(absl::Status status, absl::Duration retry_after);

// `status` with QuotaFailure: `subject` ("connection:ipv4:127.0.0.1:5") has used up what `description` says.
absl::Status WithQuotaFailure(absl::Status status, absl::string_view subject, absl::string_view description);

// Reason in the ErrorInfo of `status`; empty when it has none.
std::string ErrorReason(const absl::Status& status);

// What a log line may say of `status`: its message; but where its ErrorInfo has a field or a value, so that the message
// is about what a client sent and may quote it, a prompt perhaps, reason and field alone, unless `quote_clients`. Who
// quotes a client in a message gives it one of the two. Cut to 200 bytes.
std::string ForLog(const absl::Status& status, bool quote_clients);

// For messages: at most `max_bytes` of `text`, what is not printable ASCII as \x.., and "..." when cut.
std::string Printable(absl::string_view text, size_t max_bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_ERROR_DETAILS_H_
