#include "server/rpc/rpc_limits.h"

#include "system/range_check.h"

namespace videodiffcr {

absl::Status RpcLimits::Validate() const {
  constexpr int kMost = 1 << 30;
  const absl::Duration none = absl::ZeroDuration();
  for (const absl::Status& status : {
           CheckRange("max_prompt_bytes", max_prompt_bytes, 1, 1 << 20),
           CheckRange("max_first_message_bytes", max_first_message_bytes, 1024, 64 << 20),
           CheckRange("max_control_message_bytes", max_control_message_bytes, 1024, max_first_message_bytes),
           CheckRange("control_messages_per_second", control_messages_per_second, 0.01, 1e6),
           CheckRange("control_message_burst", control_message_burst, 1, 1'000'000),
           CheckRange("first_message_timeout", first_message_timeout, absl::Milliseconds(1), absl::Hours(1)),
           CheckRange("max_streams_in_first_message", max_streams_in_first_message, 1, 1 << 20),
           CheckRange("min_ping_interval", min_ping_interval, none, absl::Hours(1)),
           CheckRange("disconnect_grace", disconnect_grace, none, absl::Hours(1)),
           CheckRange("replay_memory_bytes", replay_memory_bytes, 0, int64_t{1'000'000'000'000'000}),
           CheckRange("max_watchers_per_session", max_watchers_per_session, 0, 1 << 20),
           CheckRange("max_watchers", max_watchers, 0, 1 << 20),
           CheckRange("max_sessions_per_connection", max_sessions_per_connection, 1, kMost),
           CheckRange("max_length_chunks", max_length_chunks, 1, kMost),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
