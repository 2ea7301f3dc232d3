// The HTTP endpoint that Prometheus scrapes.
//
// Ours, on plain sockets: the libraries that Debian has serve a connection per thread, so that as many silent peers as
// there are threads stop every scrape, or bring a framework along for one GET.
#ifndef VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_
#define VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/registry.h"
#include "server/metrics/http_responder.h"
#include "server/metrics/log_metrics.h"
#include "server/metrics/process_metrics.h"

namespace videodiffcr {

class MetricsEndpoint {
 public:
  // Serves `registry`, the process_* families and those of the log under /metrics of `address` ("host:port", port 0
  // takes a free one). Unavailable when the address cannot be had. `registry` outlives the endpoint.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Create(const std::string& address,
                                                                 const prometheus::Registry* registry);

  int port() const { return responder_->port(); }

 private:
  explicit MetricsEndpoint(const prometheus::Registry* registry) : registry_(registry) {}
  std::string Text() const;

  const prometheus::Registry* const registry_;
  const ProcessMetrics process_;
  const LogMetrics log_;
  std::unique_ptr<HttpResponder> responder_;  // last: stops before what it asks goes
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_
