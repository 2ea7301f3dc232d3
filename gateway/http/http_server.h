// HTTP/1.1 on a port: connections, their limits and deadlines. Boost.Beast reads and writes (docs/adr/0009).
#ifndef VIDEODIFFCR_GATEWAY_HTTP_HTTP_SERVER_H_
#define VIDEODIFFCR_GATEWAY_HTTP_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/http/http_message.h"

namespace videodiffcr {

struct HttpServerOptions {
  std::string listen = "127.0.0.1:8080";  // "host:port"; port 0 takes a free one
  int max_connections = 512;              // one more is answered 503 at once
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = 64 << 10;
  // For a whole request, from the moment the connection is there or the answer before it has left.
  absl::Duration request_timeout = absl::Seconds(10);
  // For a piece of an answer to be taken.
  absl::Duration send_timeout = absl::Seconds(30);
  // For the handler's answer to begin; then 504.
  absl::Duration answer_timeout = absl::Seconds(90);
};

// What the server tells of itself. Called on its thread.
struct HttpObserver {
  std::function<void(int open)> on_connections = [](int) {};
  std::function<void(int64_t bytes)> on_sent = [](int64_t) {};
  std::function<void()> on_second = [] {};  // once a second
};

class HttpServer {
 public:
  // Unavailable when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options, HttpHandler handler,
                                                           HttpObserver observer);
  // Stops first. Whoever still holds a reply is gone before.
  virtual ~HttpServer() = default;
  // The handler is not called any more when this returns, and nothing is sent. A reply may still be called, for
  // nothing.
  virtual void Stop() = 0;
  virtual int port() const = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_HTTP_SERVER_H_
