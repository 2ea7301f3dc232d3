#include "server/metrics/metrics_endpoint.h"

#include <exception>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Create(
    const std::string& address, std::shared_ptr<prometheus::Registry> registry) {
  auto endpoint = absl::WrapUnique(new MetricsEndpoint());
  endpoint->registry_ = std::move(registry);
  endpoint->process_ = std::make_shared<ProcessMetrics>();
  // The exposer's constructor is the one thing here that throws.
  try {
    endpoint->exposer_ = std::make_unique<prometheus::Exposer>(address);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve metrics on ", address, " (", error.what(),
                     "); choose another address with --metrics-listen, or none with --metrics-listen="));
  }
  endpoint->exposer_->RegisterCollectable(endpoint->registry_);
  endpoint->exposer_->RegisterCollectable(endpoint->process_);
  endpoint->port_ = endpoint->exposer_->GetListeningPorts().front();
  return endpoint;
}

}  // namespace videodiffcr
