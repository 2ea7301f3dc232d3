// HTTP as the metrics port speaks it: bytes in, bytes out; no socket here.
#ifndef VIDEODIFFCR_SERVER_METRICS_HTTP_ANSWER_H_
#define VIDEODIFFCR_SERVER_METRICS_HTTP_ANSWER_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace videodiffcr {

inline constexpr size_t kMaxHttpHeadBytes = 8192;

// What to answer to `head`, the bytes that came so far: nothing while they are no whole head of a request. GET and HEAD
// of /metrics have the text of `metrics`, which is asked for only then; all else is a 4xx. The connection ends with the
// answer.
std::optional<std::string> AnswerHttp(absl::string_view head, const std::function<std::string()>& metrics);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_HTTP_ANSWER_H_
