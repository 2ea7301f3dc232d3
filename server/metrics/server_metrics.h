// The Prometheus families about the server as a whole (docs/metrics.md says which question each answers).
#ifndef VIDEODIFFCR_SERVER_METRICS_SERVER_METRICS_H_
#define VIDEODIFFCR_SERVER_METRICS_SERVER_METRICS_H_

#include <cstdint>
#include <string>

#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace videodiffcr {

struct ServerMetrics {
  // Registers every family at 0, build_info at 1. `registry` outlives this.
  ServerMetrics(prometheus::Registry* registry, const std::string& version);
  // What the model holds on a GPU, by what it is for.
  void SetGpuMemory(const std::string& device, const std::string& kind, int64_t bytes);
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  prometheus::Gauge* ready;     // 1 while new sessions are taken
  prometheus::Gauge* draining;  // 1 from the moment of the drain
  prometheus::Gauge* model_load_seconds;
  prometheus::Gauge* warmup_seconds;
  prometheus::Family<prometheus::Gauge>* gpu_memory_bytes;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_SERVER_METRICS_H_
