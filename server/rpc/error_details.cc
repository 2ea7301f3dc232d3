#include "server/rpc/error_details.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "proto/proto_duration.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxValueBytes = 100;
constexpr size_t kMaxLoggedBytes = 200;

}  // namespace

std::string Printable(absl::string_view text, size_t max_bytes) {
  std::string printable;
  for (const char c : text.substr(0, max_bytes)) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '\\') {
      printable.push_back(c);
    } else {
      absl::StrAppend(&printable, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  if (text.size() > max_bytes) printable += "...";
  return printable;
}

absl::Status FieldError(absl::string_view reason, absl::string_view field, absl::string_view value,
                        absl::string_view problem) {
  const std::string printable = Printable(value, kMaxValueBytes);
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(field, ": ", problem, " (got \"", printable, "\")"));
  status = WithErrorInfo(std::move(status), reason, {{"field", std::string(field)}, {"value", printable}});
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(absl::StrCat(problem, " (got \"", printable, "\")"));
  return WithDetail(std::move(status), bad_request);
}

absl::Status WithErrorInfo(absl::Status status, absl::string_view reason,
                           const std::map<std::string, std::string>& metadata) {
  if (DetailOf<google::rpc::ErrorInfo>(status).has_value()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  return WithDetail(std::move(status), info);
}

absl::Status WithRetryInfo(absl::Status status, absl::Duration retry_after) {
  google::rpc::RetryInfo info;
  *info.mutable_retry_delay() = ToProtoDuration(retry_after);
  return WithDetail(std::move(status), info);
}

absl::Status WithQuotaFailure(absl::Status status, absl::string_view subject, absl::string_view description) {
  google::rpc::QuotaFailure failure;
  auto* violation = failure.add_violations();
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  return WithDetail(std::move(status), failure);
}

std::string ErrorReason(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::string ForLog(const absl::Status& status, bool quote_clients) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status).value_or(google::rpc::ErrorInfo());
  const auto field = info.metadata().find("field");
  const bool about_a_client = field != info.metadata().end() || info.metadata().contains("value");
  if (quote_clients || !about_a_client) return std::string(status.message().substr(0, kMaxLoggedBytes));
  return field == info.metadata().end() ? info.reason() : absl::StrCat(info.reason(), " ", field->second);
}

}  // namespace videodiffcr
