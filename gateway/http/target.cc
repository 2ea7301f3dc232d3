#include "gateway/http/target.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Unescape(absl::string_view text, bool plus_is_space) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || HexValue(text[i + 1]) < 0 || HexValue(text[i + 2]) < 0) return std::nullopt;
      c = static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return std::nullopt;
    plain.push_back(c);
  }
  return plain;
}

}  // namespace

std::optional<Target> ParseTarget(absl::string_view target) {
  if (target.empty() || target[0] != '/') return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> halves = absl::StrSplit(target, absl::MaxSplits('?', 1));
  Target parsed;
  for (absl::string_view part : absl::StrSplit(halves.first.substr(1), '/')) {
    std::optional<std::string> plain = Unescape(part, false);
    if (!plain.has_value() || *plain == "." || *plain == "..") return std::nullopt;
    parsed.path.push_back(*std::move(plain));
  }
  if (parsed.path.back().empty()) parsed.path.pop_back();
  auto query = ParseQuery(halves.second);
  if (!query.has_value()) return std::nullopt;
  parsed.query = *std::move(query);
  return parsed;
}

std::optional<std::map<std::string, std::string>> ParseQuery(absl::string_view query) {
  std::map<std::string, std::string> parsed;
  for (absl::string_view pair : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    std::optional<std::string> name = Unescape(sides.first, true);
    std::optional<std::string> value = Unescape(sides.second, true);
    if (!name.has_value() || !value.has_value()) return std::nullopt;
    parsed[*std::move(name)] = *std::move(value);
  }
  return parsed;
}

}  // namespace videodiffcr
