// Tells of every call of a gRPC server, the health service's and reflection's too, over which connection it came.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_OBSERVER_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_OBSERVER_H_

#include <memory>
#include <string>

#include "grpcpp/server_builder.h"
#include "server/sockets/connection_use.h"

namespace videodiffcr {

// The calls that matter are those of `service` ("package.Service"; empty: none). The server keeps `uses`.
void ObserveCalls(std::shared_ptr<ConnectionUses> uses, const std::string& service, grpc::ServerBuilder* builder);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_OBSERVER_H_
