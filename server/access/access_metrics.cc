#include "server/access/access_metrics.h"

namespace videodiffcr {

AccessMetrics::AccessMetrics(prometheus::Registry* registry) {
  auto& refusals = prometheus::BuildCounter()
                       .Name("videodiffcr_access_refusals_total")
                       .Help("Calls refused or ended because of who called: no token, or a tenant's limit.")
                       .Register(*registry);
  for (const char* reason : {"no_token", "max_sessions", "max_waiting_sessions", "chunks_per_minute"}) {
    refusals_.emplace(reason, &refusals.Add({{"reason", reason}}));
  }
  failed_reloads = &prometheus::BuildCounter()
                        .Name("videodiffcr_access_failed_reloads_total")
                        .Help("Times that a file of tokens or certificates had changed and could not be used.")
                        .Register(*registry)
                        .Add({});
  certificate_expiry_ = &prometheus::BuildGauge()
                             .Name("videodiffcr_tls_certificate_expiry_timestamp_seconds")
                             .Help("When the server's certificate expires, in seconds since 1970; 0 without TLS.")
                             .Register(*registry)
                             .Add({});
}

void AccessMetrics::CountRefusal(absl::string_view reason) {
  if (const auto found = refusals_.find(reason); found != refusals_.end()) found->second->Increment();
}

void AccessMetrics::SetCertificateExpiry(absl::Time expiry) {
  certificate_expiry_->Set(static_cast<double>(absl::ToUnixSeconds(expiry)));
}

}  // namespace videodiffcr
