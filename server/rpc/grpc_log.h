// What gRPC itself has to say.
#ifndef VIDEODIFFCR_SERVER_RPC_GRPC_LOG_H_
#define VIDEODIFFCR_SERVER_RPC_GRPC_LOG_H_

namespace videodiffcr {

// Of the whole process: gRPC's log goes the way of LogLine(). By itself it would write to standard error from the
// threads that serve, and hang them where nobody reads. May be called again.
void RouteGrpcLog();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_GRPC_LOG_H_
