#include "gateway/http/http_message.h"

namespace videodiffcr {

absl::string_view HttpRequest::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? absl::string_view() : absl::string_view(found->second);
}

}  // namespace videodiffcr
