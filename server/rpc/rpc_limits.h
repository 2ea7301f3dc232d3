// What one call or one connection may ask for. GetServerInfo reports it; docs/errors.md says what happens beyond.
#ifndef VIDEODIFFCR_SERVER_RPC_RPC_LIMITS_H_
#define VIDEODIFFCR_SERVER_RPC_RPC_LIMITS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace videodiffcr {

struct RpcLimits {
  int64_t max_prompt_bytes = 4096;
  int64_t max_first_message_bytes = int64_t{4} << 20;
  int64_t max_control_message_bytes = int64_t{64} << 10;
  double control_messages_per_second = 20;  // sustained
  int control_message_burst = 40;           // at once
  absl::Duration first_message_timeout = absl::Seconds(10);
  int max_streams_in_first_message = 256;  // of all connections; one more crowds out the oldest of the greediest
  int max_sessions_per_connection = 16;
  // Calls come through a proxy that is trusted to bound its clients and whose connections carry the calls of many: then
  // neither sessions nor connections are counted by connection or by peer.
  bool behind_proxy = false;
  int64_t max_length_chunks = 4800;  // an hour at 12 frames per chunk and 16 frames per second

  // How long a session that its client wants to resume waits for it without a call.
  absl::Duration disconnect_grace = absl::Seconds(30);
  // What such sessions may hold together once they are over, in bytes; the oldest are let go of beyond it.
  int64_t replay_memory_bytes = int64_t{256} << 20;

  // Viewers of WatchSession: of one session, and of all together.
  int max_watchers_per_session = 16;
  int max_watchers = 256;

  // A client may ping this often, whether or not its calls are busy; one that pings more often is disconnected.
  absl::Duration min_ping_interval = absl::Seconds(5);

  // InvalidArgument naming the first field that is out of range.
  absl::Status Validate() const;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_RPC_LIMITS_H_
