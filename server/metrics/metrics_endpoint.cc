#include "server/metrics/metrics_endpoint.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "prometheus/text_serializer.h"
#include "server/metrics/http_answer.h"
#include "server/sockets/listening_socket.h"

namespace videodiffcr {
namespace {

absl::Status CannotServe(const std::string& address, const absl::Status& why) {
  return absl::UnavailableError(
      absl::StrCat("cannot serve metrics on ", address, " (", why.message(),
                   "); choose another address with --metrics-listen, or none with --metrics-listen="));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Create(const std::string& address,
                                                                         const prometheus::Registry* registry) {
  absl::StatusOr<ListeningSocket> socket = Listen(address);
  if (!socket.ok()) return CannotServe(address, socket.status());
  auto endpoint = absl::WrapUnique(new MetricsEndpoint(registry));
  absl::StatusOr<std::unique_ptr<HttpResponder>> responder = HttpResponder::Create(
      *std::move(socket), HttpResponder::Options(), [raw = endpoint.get()](absl::string_view received) {
        return AnswerHttp(received, [raw] { return raw->Text(); });
      });
  if (!responder.ok()) return CannotServe(address, responder.status());
  endpoint->responder_ = *std::move(responder);
  return endpoint;
}

std::string MetricsEndpoint::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (std::vector<prometheus::MetricFamily> more : {process_.Collect(), log_.Collect()}) {
    families.insert(families.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace videodiffcr
