#include "gateway/http/multipart.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxParts = 32;
constexpr size_t kMaxBoundaryBytes = 70;  // RFC 2046 section 5.1.1

// The parameter `name` of a header's value: `form-data; name="prompt"`.
std::optional<std::string> Parameter(absl::string_view value, absl::string_view name) {
  for (absl::string_view piece : absl::StrSplit(value, ';')) {
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(piece, absl::MaxSplits('=', 1));
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(sides.first), name)) continue;
    absl::string_view text = absl::StripAsciiWhitespace(sides.second);
    if (absl::ConsumePrefix(&text, "\"")) absl::ConsumeSuffix(&text, "\"");
    return std::string(text);
  }
  return std::nullopt;
}

std::optional<std::string> NameOf(absl::string_view headers) {
  for (absl::string_view line : absl::StrSplit(headers, "\r\n")) {
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::EqualsIgnoreCase(sides.first, "content-disposition")) return Parameter(sides.second, "name");
  }
  return std::nullopt;
}

absl::Status Broken(const char* what) { return absl::InvalidArgumentError(absl::StrCat("the form is broken: ", what)); }

}  // namespace

absl::StatusOr<std::vector<FormPart>> ParseMultipart(absl::string_view content_type, absl::string_view body) {
  const std::optional<std::string> boundary = Parameter(content_type, "boundary");
  if (!boundary.has_value() || boundary->empty() || boundary->size() > kMaxBoundaryBytes) {
    return Broken("its Content-Type names no boundary of 1 to 70 characters");
  }
  const std::string separator = absl::StrCat("\r\n--", *boundary);
  if (!absl::ConsumePrefix(&body, absl::string_view(separator).substr(2))) return Broken("it begins with no boundary");
  std::vector<FormPart> parts;
  while (!absl::StartsWith(body, "--")) {
    if (!absl::ConsumePrefix(&body, "\r\n")) return Broken("a boundary is followed by something else than a line end");
    const size_t headers_end = body.find("\r\n\r\n");
    if (headers_end == absl::string_view::npos) return Broken("a part's headers have no end");
    const size_t begin = headers_end + 4;
    const size_t end = body.find(separator, begin);
    if (end == absl::string_view::npos) return Broken("a part has no end");
    const std::optional<std::string> name = NameOf(body.substr(0, headers_end));
    if (!name.has_value() || name->empty()) return Broken("a part has no name");
    if (parts.size() == kMaxParts) return Broken("it has more than 32 parts");
    parts.push_back({*name, std::string(body.substr(begin, end - begin))});
    body.remove_prefix(end + separator.size());
  }
  return parts;
}

}  // namespace videodiffcr
