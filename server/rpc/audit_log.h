// The audit's lines: who began what, how it ended, and who was refused (server/logging/log_line.h, docs/operating.md).
// A line that there is no memory for is left out.
#ifndef VIDEODIFFCR_SERVER_RPC_AUDIT_LOG_H_
#define VIDEODIFFCR_SERVER_RPC_AUDIT_LOG_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/media/encoder_config.h"
#include "server/rpc/caller.h"

namespace videodiffcr {

void LogSessionStarted(const std::string& session, const Caller& caller, VideoCodec codec, int64_t length_chunks,
                       uint64_t seed);

// Another call goes on with it, from this chunk.
void LogSessionResumed(const std::string& session, const Caller& caller, int64_t next_chunk);

// No call is connected to it; it waits for one.
void LogSessionLeft(const std::string& session, absl::Duration grace);

void LogSessionWatched(const std::string& session, const Caller& watcher);

// `quote_clients`: see ForLog() in error_details.h.
void LogSessionEnded(const std::string& session, const Caller& caller, const absl::Status& status, bool quote_clients,
                     int64_t chunks, absl::Duration lasted);

// A call that never became a session.
void LogCallRefused(const Caller& caller, const absl::Status& status, bool quote_clients);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_AUDIT_LOG_H_
