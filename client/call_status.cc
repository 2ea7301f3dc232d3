#include "client/call_status.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "command_line/printable_text.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/status.pb.h"
#include "proto/status_details.h"

namespace videodiffcr {

absl::Status ToAbslStatus(const grpc::Status& status) {
  // The two enums share their numbers by definition (both follow google.rpc.Code).
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!result.ok() && details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : details.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status);
}

std::optional<google::rpc::BadRequest> BadRequestOf(const absl::Status& status) {
  return DetailOf<google::rpc::BadRequest>(status);
}

std::optional<google::rpc::RetryInfo> RetryInfoOf(const absl::Status& status) {
  return DetailOf<google::rpc::RetryInfo>(status);
}

std::string DescribeStatus(const absl::Status& status) {
  std::string text =
      absl::StrCat(absl::StatusCodeToString(status.code()), ": ", PrintableText(std::string(status.message())));
  if (const auto bad_request = BadRequestOf(status)) {
    for (const auto& violation : bad_request->field_violations()) {
      if (absl::StrContains(status.message(), violation.description())) continue;  // said already
      absl::StrAppend(&text, "\n  field ", PrintableText(violation.field()), ": ",
                      PrintableText(violation.description()));
    }
  }
  if (const auto error_info = ErrorInfoOf(status)) {
    absl::StrAppend(&text, "\n  reason ", PrintableText(error_info->reason()));
  }
  if (const auto retry_info = RetryInfoOf(status)) {
    absl::StrAppend(&text, "\n  try again in ",
                    google::protobuf::util::TimeUtil::DurationToMilliseconds(retry_info->retry_delay()), " ms");
  }
  return text;
}

}  // namespace videodiffcr
