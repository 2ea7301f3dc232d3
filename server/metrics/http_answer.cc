#include "server/metrics/http_answer.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

constexpr char kTextFormat[] = "text/plain; version=0.0.4; charset=utf-8";

std::string Response(absl::string_view status, absl::string_view type, absl::string_view body, bool with_body,
                     absl::string_view more_fields = "") {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
                      "\r\nConnection: close\r\n", more_fields, "\r\n", with_body ? body : "");
}

std::string Refusal(absl::string_view status, absl::string_view more_fields = "", bool with_body = true) {
  return Response(status, "text/plain", absl::StrCat(status, "; metrics are at /metrics\n"), with_body, more_fields);
}

}  // namespace

std::optional<std::string> AnswerHttp(absl::string_view head, const std::function<std::string()>& metrics) {
  const bool whole = absl::StrContains(head, "\r\n\r\n") || absl::StrContains(head, "\n\n");
  if (!whole) {
    if (head.size() >= kMaxHttpHeadBytes) return Refusal("431 Request Header Fields Too Large");
    return std::nullopt;
  }
  absl::string_view line = head.substr(0, head.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !absl::StartsWith(words[2], "HTTP/1.")) return Refusal("400 Bad Request");
  const bool is_head = words[0] == "HEAD";
  if (words[0] != "GET" && !is_head) return Refusal("405 Method Not Allowed", "Allow: GET, HEAD\r\n");
  if (words[1].substr(0, words[1].find('?')) != "/metrics") return Refusal("404 Not Found", "", !is_head);
  return Response("200 OK", kTextFormat, metrics(), !is_head);
}

}  // namespace videodiffcr
