#include "server/metrics/log_metrics.h"

#include "server/logging/log_line.h"

namespace videodiffcr {

std::vector<prometheus::MetricFamily> LogMetrics::Collect() const {
  prometheus::ClientMetric dropped;
  dropped.counter.value = static_cast<double>(DroppedLogLines());
  return {{"videodiffcr_log_lines_dropped_total",
           "Log lines that nobody took fast enough, or at all.",
           prometheus::MetricType::Counter,
           {dropped}}};
}

}  // namespace videodiffcr
