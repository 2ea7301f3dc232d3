#include "server/rpc/rpc_limits.h"

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

absl::Status CheckRange(absl::string_view field, double value, double least, double most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be from ", least, " to ", most));
}

}  // namespace

absl::Status RpcLimits::Validate() const {
  constexpr double kMost = 1 << 30;
  for (const absl::Status& status : {
           CheckRange("max_prompt_bytes", max_prompt_bytes, 1, 1 << 20),
           CheckRange("max_first_message_bytes", max_first_message_bytes, 1024, 64 << 20),
           CheckRange("max_control_message_bytes", max_control_message_bytes, 1024, max_first_message_bytes),
           CheckRange("control_messages_per_second", control_messages_per_second, 0.01, 1e6),
           CheckRange("control_message_burst", control_message_burst, 1, 1e6),
           CheckRange("first_message_timeout in seconds", absl::ToDoubleSeconds(first_message_timeout), 0.001, 3600),
           CheckRange("max_streams_in_first_message", max_streams_in_first_message, 1, 1 << 20),
           CheckRange("min_ping_interval in seconds", absl::ToDoubleSeconds(min_ping_interval), 0, 3600),
           CheckRange("disconnect_grace in seconds", absl::ToDoubleSeconds(disconnect_grace), 0, 3600),
           CheckRange("replay_memory_bytes", static_cast<double>(replay_memory_bytes), 0, 1e15),
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
