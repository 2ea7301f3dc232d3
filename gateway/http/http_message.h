// One request and its answer as plain data: what the rest of the gateway knows of HTTP.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_HTTP_MESSAGE_H_
#define VIDEODIFFCR_GATEWAY_HTTP_HTTP_MESSAGE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

struct HttpRequest {
  std::string method;                          // "GET"; HEAD arrives as GET, and its body is left out on the way back
  std::vector<std::string> path;               // "/live/7/events" as its parts, percent signs undone
  std::map<std::string, std::string> query;    // the last of a name given twice
  std::map<std::string, std::string> headers;  // by lower-case name
  std::string body;

  // Empty when there is none.
  absl::string_view Header(const std::string& lower_case_name) const;
};

// Bytes behind one another, as they come to be. The connection asks for the next piece once the one before has left, so
// a viewer holds one piece in memory however slow it is. Destroyed when the viewer is gone; a piece that is asked for
// then is never taken.
class BodySource {
 public:
  using Piece = std::shared_ptr<const std::string>;
  virtual ~BodySource() = default;

  // Calls `ready` once, at once or later, from any thread: with bytes, or with nullptr when that was all. Asked again
  // only after that.
  virtual void Next(std::function<void(Piece)> ready) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // Instead of `body`. The connection ends with it.
  std::shared_ptr<BodySource> source;
  std::optional<int64_t> source_bytes;  // known beforehand; otherwise the answer is in HTTP's chunks
  // Sent when the source has been silent for `heartbeat_interval`; empty: nothing.
  std::string heartbeat;
  absl::Duration heartbeat_interval = absl::Seconds(15);
};

// Answers a request. Call it once, from any thread.
using HttpReply = std::function<void(HttpResponse)>;

// Called on the server's one thread, so it must not wait for anything.
using HttpHandler = std::function<void(HttpRequest request, HttpReply reply)>;

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_HTTP_MESSAGE_H_
