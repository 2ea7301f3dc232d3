// The standard process_* families, read from /proc at each scrape.
#ifndef VIDEODIFFCR_SERVER_METRICS_PROCESS_METRICS_H_
#define VIDEODIFFCR_SERVER_METRICS_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace videodiffcr {

// Any thread. A value that cannot be read is left out.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_PROCESS_METRICS_H_
