#include "system/bounded_json.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using nlohmann::json;

// Depth of nested containers, brackets inside strings not counted. Cheap enough to run before the real parser.
int NestingDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<json> ParseBoundedJson(std::string_view text, int max_depth) {
  if (const int depth = NestingDepth(text); depth > max_depth) {
    return absl::InvalidArgumentError(
        absl::StrCat("JSON is nested ", depth, " containers deep; at most ", max_depth, " are read"));
  }
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string twice;
  const auto watch_keys = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && twice.empty()) {
      const std::string& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) twice = key;
    }
    return true;
  };
  // The parser reports where it stopped only by exception; the text of it is wanted, so it is caught right here.
  json parsed;
  try {
    parsed = json::parse(text, watch_keys);
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not valid JSON: ", error.what()));
  }
  if (!twice.empty()) return absl::InvalidArgumentError(absl::StrCat(twice.substr(0, 64), ": key appears twice"));
  return parsed;
}

}  // namespace videodiffcr
