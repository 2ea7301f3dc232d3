// The Prometheus families of tokens, tenants and certificates (docs/metrics.md says which question each answers).
#ifndef VIDEODIFFCR_SERVER_ACCESS_ACCESS_METRICS_H_
#define VIDEODIFFCR_SERVER_ACCESS_ACCESS_METRICS_H_

#include <functional>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace videodiffcr {

struct AccessMetrics {
  // Registers every family at 0. `registry` outlives this.
  explicit AccessMetrics(prometheus::Registry* registry);
  AccessMetrics(const AccessMetrics&) = delete;
  AccessMetrics& operator=(const AccessMetrics&) = delete;

  // `reason`: "no_token", or the limit that was used up, as QuotaRefusal names it.
  void CountRefusal(absl::string_view reason);
  void SetCertificateExpiry(absl::Time expiry);

  // Files that have changed and cannot be used, while what was read before goes on being used.
  prometheus::Counter* failed_reloads;

 private:
  std::map<std::string, prometheus::Counter*, std::less<>> refusals_;
  prometheus::Gauge* certificate_expiry_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_ACCESS_METRICS_H_
