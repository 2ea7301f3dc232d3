// How a session is known from its start on.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_START_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_START_H_

#include <string>

#include "server/delivery/stream_event.h"
#include "server/rpc/call_environment.h"
#include "server/rpc/caller.h"
#include "server/rpc/request_conversion.h"

namespace videodiffcr {

// Random, so that names of one server's sessions do not meet those of another in the same log store.
std::string NewSessionName();

// That another start of `caller` asks for the same session by; empty when the plan has none. A session that another
// tenant has asked for is none of a caller's business, not even by its id.
std::string RequestIdOf(const SessionPlan& plan, const Caller& caller);

// All that `started` says but what depends on the call.
StartedEvent DescribeStart(const CallEnvironment& environment, const SessionPlan& plan, const std::string& session_name,
                           const Caller& caller);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_START_H_
