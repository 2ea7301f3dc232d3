// /live and what is below it.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_LIVE_ROUTES_H_
#define VIDEODIFFCR_GATEWAY_LIVE_LIVE_ROUTES_H_

#include <memory>
#include <string>

#include "gateway/gateway_metrics.h"
#include "gateway/http/http_message.h"
#include "gateway/live/live_sessions.h"
#include "gateway/worker_pool.h"

namespace videodiffcr {

// Its methods are called by the HTTP thread. What it is made of outlives it.
class LiveRoutes {
 public:
  LiveRoutes(LiveSessions* sessions, WorkerPool* workers, GatewayMetrics* metrics)
      : sessions_(sessions), workers_(workers), metrics_(metrics) {}

  // A request whose path begins with "live".
  void Handle(const HttpRequest& request, HttpReply reply);

 private:
  void Start(const HttpRequest& request, HttpReply reply);
  void Control(const std::shared_ptr<LiveSession>& session, const std::string& name, const HttpRequest& request,
               HttpReply reply);
  void Watch(const std::shared_ptr<LiveSession>& session, const std::string& name, const HttpRequest& request,
             const HttpReply& reply);
  void SendFile(const std::shared_ptr<LiveSession>& session, const std::string& name, const HttpReply& reply);

  LiveSessions* const sessions_;
  WorkerPool* const workers_;
  GatewayMetrics* const metrics_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_LIVE_ROUTES_H_
