// Error details of the gRPC world (google.rpc.*) on an absl::Status, and the reasons that more than one folder says or
// acts upon; for servers and clients. docs/errors.md lists all reasons.
#ifndef VIDEODIFFCR_PROTO_STATUS_DETAILS_H_
#define VIDEODIFFCR_PROTO_STATUS_DETAILS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// ErrorInfo.domain of every reason of ours.
inline constexpr char kErrorDomain[] = "videodiffcr";

// ErrorInfo.reason: part of the API, so none of them changes.
namespace error_reason {

inline constexpr char kDraining[] = "DRAINING";
inline constexpr char kModelLoading[] = "MODEL_LOADING";
inline constexpr char kModelLost[] = "MODEL_LOST";
inline constexpr char kOutOfRange[] = "OUT_OF_RANGE";
inline constexpr char kPromptEmpty[] = "PROMPT_EMPTY";
inline constexpr char kReplayWindowLost[] = "REPLAY_WINDOW_LOST";
inline constexpr char kResumeTokenInvalid[] = "RESUME_TOKEN_INVALID";
inline constexpr char kServerFull[] = "SERVER_FULL";
inline constexpr char kSessionElsewhere[] = "SESSION_ELSEWHERE";
inline constexpr char kSessionOver[] = "SESSION_OVER";
inline constexpr char kTooManyChanges[] = "TOO_MANY_CHANGES";
inline constexpr char kTooManySessionsOnConnection[] = "TOO_MANY_SESSIONS_ON_CONNECTION";
inline constexpr char kUnsupportedValue[] = "UNSUPPORTED_VALUE";

}  // namespace error_reason

// Details are payloads of a status under the type URL of their message, serialized: what google.rpc.Status.details
// wants.
inline constexpr char kDetailUrlPrefix[] = "type.googleapis.com/";

// Whether a payload under `type_url` is a detail. Others stay inside the process.
inline bool IsDetail(absl::string_view type_url) { return absl::StartsWith(type_url, kDetailUrlPrefix); }

template <typename Detail>
std::string DetailUrl() {
  return absl::StrCat(kDetailUrlPrefix, Detail::descriptor()->full_name());
}

// `status` with `detail` in place of the one of its type. OK stays OK.
template <typename Detail>
absl::Status WithDetail(absl::Status status, const Detail& detail) {
  status.SetPayload(DetailUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
  return status;
}

// The detail of this type; nullopt when there is none, or none that can be read.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(DetailUrl<Detail>());
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PROTO_STATUS_DETAILS_H_
