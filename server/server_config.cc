#include "server/server_config.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

absl::Status CheckAddress(absl::string_view field, absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != absl::string_view::npos && colon > 0 && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
      port >= 0 && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", address, "\"; it must be host:port, for example 127.0.0.1:0 for a free port"));
}

absl::Status CheckDuration(absl::string_view field, absl::Duration value, absl::Duration least, absl::Duration most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", absl::FormatDuration(value), "; it must be from ",
                                                 absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
}

}  // namespace

absl::Status ServerConfig::Validate() const {
  if (warm_up_chunks < 0 || warm_up_chunks > 100) {
    return absl::InvalidArgumentError(absl::StrCat("warm_up_chunks is ", warm_up_chunks, "; it must be from 0 to 100"));
  }
  for (const absl::Status& status : {
           CheckAddress("listen", listen),
           metrics_listen.empty() ? absl::OkStatus() : CheckAddress("metrics_listen", metrics_listen),
           CheckDuration("drain_timeout", drain_timeout, absl::ZeroDuration(), absl::Hours(1)),
           CheckDuration("keepalive_time", keepalive_time, absl::Seconds(1), absl::Hours(24)),
           CheckDuration("keepalive_timeout", keepalive_timeout, absl::Seconds(1), absl::Hours(1)),
           rpc_limits.Validate(),
           outbox_limits.Validate(),
           scheduler.Validate(),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
