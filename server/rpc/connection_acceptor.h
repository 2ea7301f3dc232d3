// Takes connections from our own port and hands them to gRPC, which then serves them as if it had taken them itself.
// Why we do: docs/adr/0008-connection-acceptor.md.
#ifndef VIDEODIFFCR_SERVER_RPC_CONNECTION_ACCEPTOR_H_
#define VIDEODIFFCR_SERVER_RPC_CONNECTION_ACCEPTOR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server_builder.h"
#include "server/rpc/rpc_metrics.h"
#include "server/sockets/connection_table.h"
#include "server/sockets/connection_use.h"
#include "server/sockets/listening_socket.h"
#include "server/sockets/poll_thread.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Two threads of its own: one that takes connections, and one that looks after them, for gRPC may keep the first for as
// long as a new connection goes on sending. Out of descriptors or memory, it waits a moment and goes on when there are
// some again; connections beyond a limit are closed as soon as they are there, so that their clients hear of it. To be
// destroyed before the gRPC server shuts down, which would leak what it is handed from then on.
class ConnectionAcceptor {
 public:
  struct Options {
    // When all places are taken, the oldest connection that has said nothing yet makes room before others without a
    // call: by default one of which fewer bytes have come than a greeting in HTTP/2 has.
    ConnectionTable::Limits connections = {.silent_bytes = 33};
    // A connection whose bytes the peer's kernel does not acknowledge for this long is dropped.
    absl::Duration unacknowledged_timeout;
  };
  using GrpcSide = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // `grpc_side` belongs to a server that was started and observes its calls for `uses` (call_observer.h). `metrics`
  // outlives this; null: nobody counts. Unavailable when the system is out of descriptors.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Create(ListeningSocket socket, const Options& options,
                                                                    GrpcSide grpc_side,
                                                                    std::shared_ptr<ConnectionUses> uses,
                                                                    RpcMetrics* metrics);

  int port() const { return socket_.port; }

 private:
  ConnectionAcceptor(ListeningSocket socket, const Options& options, GrpcSide grpc_side,
                     std::shared_ptr<ConnectionUses> uses, RpcMetrics* metrics);
  void Run();
  void LookAfterConnections();
  ConnectionTable::Verdict Decide(const std::string& peer);
  bool AcceptSome();
  void HandOver(Accepted accepted);

  // Constant once the thread runs.
  const ListeningSocket socket_;
  const Options options_;
  const GrpcSide grpc_side_;
  const std::shared_ptr<ConnectionUses> uses_;
  RpcMetrics* const metrics_;

  bool starved_ = false;  // the thread's
  Mutex mutex_;
  ConnectionTable table_ ABSL_GUARDED_BY(mutex_);

  PollThread look_thread_;
  PollThread thread_;  // leaves first: looks may be what frees it
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CONNECTION_ACCEPTOR_H_
