// The HTTP endpoint that Prometheus scrapes.
#ifndef VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_
#define VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/exposer.h"
#include "prometheus/registry.h"
#include "server/metrics/process_metrics.h"

namespace videodiffcr {

class MetricsEndpoint {
 public:
  // Serves `registry` and the process_* families under /metrics of `address` ("host:port", port 0 takes a free one).
  // Unavailable when the address cannot be had. The registry is shared because the exposer's threads may be scraping it
  // while the server goes down.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Create(const std::string& address,
                                                                 std::shared_ptr<prometheus::Registry> registry);

  int port() const { return port_; }

 private:
  MetricsEndpoint() = default;

  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<ProcessMetrics> process_;
  int port_ = 0;
  std::unique_ptr<prometheus::Exposer> exposer_;  // last: stops before what it scrapes goes
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_METRICS_ENDPOINT_H_
