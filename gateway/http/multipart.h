// multipart/form-data (RFC 7578): what an HTML form or an HTTP client's `files=` sends.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_MULTIPART_H_
#define VIDEODIFFCR_GATEWAY_HTTP_MULTIPART_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

struct FormPart {
  std::string name;
  std::string value;
};

// `content_type` names the boundary. InvalidArgument for what is not whole, has a part without a name, or more than 32.
absl::StatusOr<std::vector<FormPart>> ParseMultipart(absl::string_view content_type, absl::string_view body);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_MULTIPART_H_
