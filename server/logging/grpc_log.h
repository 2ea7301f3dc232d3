// What gRPC itself has to say.
#ifndef VIDEODIFFCR_SERVER_LOGGING_GRPC_LOG_H_
#define VIDEODIFFCR_SERVER_LOGGING_GRPC_LOG_H_

#include <string>

#include "absl/strings/string_view.h"

namespace videodiffcr {

// Of the whole process: gRPC's log goes the way of LogLine(), without what peers sent. By itself it would write that as
// it is to standard error from the threads that serve, and hang them where nobody reads. May be called again.
void RouteGrpcLog();

// Of the whole process, from now on: whether these lines quote what peers sent; they do not until it is called.
void LetGrpcLogQuotePeers(bool quote);

// A line of gRPC's up to where it begins to quote a peer, which may send anything before any token is looked at.
std::string WithoutPeersWords(absl::string_view line);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_GRPC_LOG_H_
