// What stands behind GET: a path and a query (RFC 3986 sections 3.3 and 3.4).
#ifndef VIDEODIFFCR_GATEWAY_HTTP_TARGET_H_
#define VIDEODIFFCR_GATEWAY_HTTP_TARGET_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace videodiffcr {

struct Target {
  std::vector<std::string> path;  // none for "/"
  std::map<std::string, std::string> query;
};

// nullopt for what is no absolute path: a broken percent sign, a control character, a part that is "." or "..".
std::optional<Target> ParseTarget(absl::string_view target);

// "a=1&b=c+d", as in a query and in a form; the last of a name given twice. nullopt as above.
std::optional<std::map<std::string, std::string>> ParseQuery(absl::string_view query);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_TARGET_H_
