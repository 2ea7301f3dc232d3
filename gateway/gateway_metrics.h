// The Prometheus families of the gateway (docs/gateway.md says which question each answers).
#ifndef VIDEODIFFCR_GATEWAY_GATEWAY_METRICS_H_
#define VIDEODIFFCR_GATEWAY_GATEWAY_METRICS_H_

#include <string>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace videodiffcr {

// Thread-safe, as its instruments are.
struct GatewayMetrics {
  // Registers every family at 0. `registry` outlives this.
  explicit GatewayMetrics(prometheus::Registry* registry);
  GatewayMetrics(const GatewayMetrics&) = delete;
  GatewayMetrics& operator=(const GatewayMetrics&) = delete;

  // One answer has begun. `route` is one of a few fixed names.
  void CountRequest(const std::string& route, int status);

  prometheus::Gauge* connections;
  prometheus::Gauge* viewers;
  prometheus::Gauge* live_sessions;
  prometheus::Counter* chunks;
  prometheus::Counter* skipped_chunks;
  prometheus::Counter* sent_bytes;
  prometheus::Counter* resumes;
  prometheus::Counter* hand_overs;
  prometheus::Gauge* job_bytes;
  prometheus::Family<prometheus::Counter>* requests;
  prometheus::Family<prometheus::Counter>* jobs;  // ended; outcome completed, failed
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_GATEWAY_METRICS_H_
