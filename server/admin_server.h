// The port for probes: plaintext gRPC with the health service and, if wanted, reflection; none of the calls. A
// platform's probes have neither certificates nor tokens, and what they learn here is no secret.
#ifndef VIDEODIFFCR_SERVER_ADMIN_SERVER_H_
#define VIDEODIFFCR_SERVER_ADMIN_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "server/rpc/connection_acceptor.h"

namespace videodiffcr {

// The service whose health is the process's own: NOT_SERVING only when a restart would help. Loading and draining
// servers say SERVING here.
inline constexpr char kLiveService[] = "live";

// Any thread, but the destructor.
class AdminServer {
 public:
  // `listen` is host:port. Says that it lives and does not serve. Unavailable when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Create(const std::string& listen, bool reflection);
  // At once; probes in progress are cut off.
  ~AdminServer();

  // For "" and for VideoGenerationService.
  void SetServing(bool serving);
  // For kLiveService.
  void SetAlive(bool alive);

  int port() const { return acceptor_->port(); }

 private:
  AdminServer() = default;
  grpc::CallbackGenericService unknown_methods_;  // UNIMPLEMENTED, each of them
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;  // goes before grpc_server_ shuts down
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ADMIN_SERVER_H_
