// The gateway: HTTP/1.1 on one side, the API's gRPC on the other.
#ifndef VIDEODIFFCR_GATEWAY_GATEWAY_H_
#define VIDEODIFFCR_GATEWAY_GATEWAY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel_security.h"
#include "client/server_list.h"
#include "gateway/gateway_metrics.h"
#include "gateway/http/http_server.h"
#include "gateway/jobs/job_routes.h"
#include "gateway/jobs/job_runner.h"
#include "gateway/jobs/job_store.h"
#include "gateway/live/live_routes.h"
#include "gateway/live/live_sessions.h"
#include "gateway/server_pool.h"
#include "gateway/worker_pool.h"
#include "prometheus/registry.h"
#include "server/metrics/metrics_endpoint.h"
#include "threading/clock.h"

namespace videodiffcr {

struct GatewayConfig {
  HttpServerOptions http;
  std::vector<std::string> servers = {"localhost:50051"};  // "host:port"
  ChannelSecurity server_security;                         // of the connections to them
  // How long a session whose server is lost is asked for again, there and at the others.
  absl::Duration server_patience = absl::Seconds(30);
  std::string metrics_listen = "127.0.0.1:9465";  // empty: none
  // File to write the ports in use to: "http_port=N" and "metrics_port=N". Empty: none.
  std::string port_file;
  // Pages of this origin ("https://example.org") may call, too; "*": all. Empty: only our own page.
  std::string allow_origin;
  LiveSessionsOptions live;
  JobStoreOptions jobs;
  int jobs_at_once = 2;
  int max_waiting_jobs = 32;

  // InvalidArgument naming the first field that is out of range.
  absl::Status Validate() const;
};

class Gateway {
 public:
  // Serves when it returns. `config` is valid; `clock` outlives the gateway. Unavailable when a port cannot be had, and
  // MakeChannel()'s errors.
  static absl::StatusOr<std::unique_ptr<Gateway>> Create(const GatewayConfig& config, const Clock* clock);
  // Ends the live sessions and cuts every connection.
  ~Gateway();

  int port() const { return http_->port(); }
  int metrics_port() const { return metrics_endpoint_ == nullptr ? 0 : metrics_endpoint_->port(); }
  // What the metrics endpoint would say, for tests.
  const prometheus::Registry& registry() const { return registry_; }

 private:
  Gateway(const GatewayConfig& config, ServerList servers, const Clock* clock);
  absl::Status OpenJobs();
  absl::Status Listen();
  void EverySecond();

  void Handle(HttpRequest request, const HttpReply& reply);
  void Route(const HttpRequest& request, HttpReply reply);
  void SendInfo(const HttpRequest& request, HttpReply reply);
  absl::Status CheckRequest(const HttpRequest& request, bool foreign_is_welcome) const;

  const GatewayConfig config_;
  prometheus::Registry registry_;
  GatewayMetrics metrics_;
  const Clock* const clock_;
  ServerPool servers_;
  std::unique_ptr<HttpServer> http_;  // before what holds its replies
  LiveSessions sessions_;
  LiveRoutes live_;
  std::unique_ptr<JobStore> job_store_;
  std::unique_ptr<JobRunner> job_runner_;
  std::unique_ptr<JobRoutes> job_routes_;
  WorkerPool workers_;  // gone before what its work is on
  WorkerPool readers_;  // likewise; apart, so that a disk that is stuck holds up no control
  int seconds_ = 0;     // the HTTP thread's
  std::unique_ptr<MetricsEndpoint> metrics_endpoint_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_GATEWAY_H_
