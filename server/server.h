// The composition root: builds the parts in order, takes them down in reverse.
//
//   Create()  metrics endpoint, port for probes, gRPC server; health says NOT_SERVING, calls are answered UNAVAILABLE
//   Load()    model, warm-up, scheduler; health says SERVING
//   Drain()   health flips first, new sessions are refused, running ones end after their chunk, the last bytes leave
//   ~Server() gRPC server, scheduler, model, metrics endpoint
#ifndef VIDEODIFFCR_SERVER_SERVER_H_
#define VIDEODIFFCR_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "model/api/video_model.h"
#include "prometheus/registry.h"
#include "scheduler/scheduler.h"
#include "scheduler/scheduler_metrics.h"
#include "server/access/access_control.h"
#include "server/access/access_metrics.h"
#include "server/access/tls_credentials.h"
#include "server/admin_server.h"
#include "server/delivery/delivery_metrics.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/connection_acceptor.h"
#include "server/rpc/rpc_metrics.h"
#include "server/rpc/video_service.h"
#include "server/server_config.h"
#include "server/sockets/connection_use.h"
#include "server/sockets/listening_socket.h"
#include "server/sockets/port_probe.h"
#include "server/upkeep.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// One thread at a time, the one that made it.
class Server {
 public:
  using ModelLoader = std::function<absl::StatusOr<std::unique_ptr<VideoModel>>()>;

  // `clock` outlives the server. InvalidArgument for a bad config, Unavailable when an address cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const ServerConfig& config, Clock* clock);

  // Drains with no patience, if Drain() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Once. Loads and warms the model, then serves and writes the port file. Any error of the loader or of the model.
  absl::Status Load(const ModelLoader& load_model);

  // Once, then nothing but the destructor. Returns when all calls have ended, after config.drain_timeout at the latest.
  void Drain();

  // After Load(). Not OK: the model is lost and every session has been ended; what is left is to drain and to end the
  // process with an error, so that whoever started it starts another.
  absl::Status model_health() const { return scheduler_->model_health(); }

  int port() const { return port_; }
  int metrics_port() const { return metrics_endpoint_ == nullptr ? 0 : metrics_endpoint_->port(); }
  int admin_port() const { return admin_server_ == nullptr ? 0 : admin_server_->port(); }

 private:
  Server(const ServerConfig& config, std::string session_key, std::string snapshot_key, Clock* clock);
  absl::Status StartAccess();
  void LookAtFiles();
  absl::Status StartMetrics();
  absl::Status StartAdmin();
  absl::Status StartGrpc();
  absl::Status StartAcceptor(ListeningSocket socket, ConnectionAcceptor::GrpcSide grpc_side);
  void SetServing(bool serving);
  void SetReachable(const absl::Status& reachable);
  absl::Status StartUpkeep();
  absl::Status WritePortFile() const;
  void Stop(absl::Time deadline);

  const ServerConfig config_;
  Clock* const clock_;
  prometheus::Registry registry_;
  ServerMetrics server_metrics_;
  RpcMetrics rpc_metrics_;
  AccessMetrics access_metrics_;
  std::unique_ptr<AccessControl> access_control_;     // null: everybody may call
  std::unique_ptr<ServedCertificates> certificates_;  // null: no TLS
  std::unique_ptr<MetricsEndpoint> metrics_endpoint_;
  std::unique_ptr<AdminServer> admin_server_;  // null: none
  // From Load() on.
  std::unique_ptr<VideoModel> model_;
  std::unique_ptr<SchedulerMetrics> scheduler_metrics_;
  std::unique_ptr<DeliveryMetrics> delivery_metrics_;
  std::unique_ptr<Scheduler> scheduler_;
  VideoService service_;
  const std::shared_ptr<ConnectionUses> connection_uses_ = std::make_shared<ConnectionUses>();
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;  // goes before grpc_server_ shuts down
  std::unique_ptr<Upkeep> upkeep_;                // goes before what it looks after
  int port_ = 0;
  OwnPort own_port_;
  Mutex readiness_mutex_;
  bool serving_ ABSL_GUARDED_BY(readiness_mutex_) = false;
  absl::Status reachable_ ABSL_GUARDED_BY(readiness_mutex_);
  bool stopped_ = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SERVER_H_
