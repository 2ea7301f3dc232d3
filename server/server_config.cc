#include "server/server_config.h"

#include "server/sockets/host_port.h"
#include "system/range_check.h"

namespace videodiffcr {

absl::Status ServerConfig::Validate() const {
  for (const absl::Status& status : {
           CheckRange("warm_up_chunks", warm_up_chunks, 0, 100),
           CheckListenAddress("listen", listen),
           metrics_listen.empty() ? absl::OkStatus() : CheckListenAddress("metrics_listen", metrics_listen),
           admin_listen.empty() ? absl::OkStatus() : CheckListenAddress("admin_listen", admin_listen),
           advertised_ip.empty() ? absl::OkStatus() : JoinIpPort(advertised_ip, 0).status(),
           CheckTogether(tls),
           CheckRange("drain_timeout", drain_timeout, absl::ZeroDuration(), absl::Hours(1)),
           CheckRange("upkeep_interval", upkeep_interval, absl::Milliseconds(1), absl::Hours(24)),
           CheckRange("keepalive_time", keepalive_time, absl::Seconds(1), absl::Hours(24)),
           CheckRange("keepalive_timeout", keepalive_timeout, absl::Seconds(1), absl::Hours(1)),
           CheckRange("max_connection_age", max_connection_age, absl::ZeroDuration(), absl::Hours(24)),
           CheckRange("max_connection_age_grace", max_connection_age_grace, absl::Milliseconds(1), absl::Hours(24)),
           CheckRange("max_connections", max_connections, 1, 1 << 20),
           CheckRange("max_connections_per_peer", max_connections_per_peer, 0, 1 << 20),
           CheckRange("transport_memory_bytes", transport_memory_bytes, int64_t{16} << 20, int64_t{1} << 40),
           rpc_limits.Validate(),
           outbox_limits.Validate(),
           replay_limits.Validate(),
           scheduler.Validate(),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
