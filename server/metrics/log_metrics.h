// What becomes of log lines.
#ifndef VIDEODIFFCR_SERVER_METRICS_LOG_METRICS_H_
#define VIDEODIFFCR_SERVER_METRICS_LOG_METRICS_H_

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace videodiffcr {

// Any thread. A collectable of its own because the log is the process's and the registry the server's.
class LogMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_LOG_METRICS_H_
