// JSON from outside: files, requests, tokens. Values of nlohmann::json copy themselves by recursion, so that a few
// kilobytes of brackets could end a process whose stack is short.
#ifndef VIDEODIFFCR_SYSTEM_BOUNDED_JSON_H_
#define VIDEODIFFCR_SYSTEM_BOUNDED_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/status/statusor.h"

namespace videodiffcr {

// Parses hostile JSON text: at most `max_depth` nested containers (of which brackets alone cost nothing), no key twice
// in one object. InvalidArgument says what and where (byte offset).
absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text, int max_depth);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_BOUNDED_JSON_H_
