#include "server/rpc/rpc_metrics.h"

#include "server/rpc/status_conversion.h"

namespace videodiffcr {

RpcMetrics::RpcMetrics(prometheus::Registry* registry) {
  auto& calls = prometheus::BuildCounter()
                    .Name("videodiffcr_grpc_requests_total")
                    .Help("Calls answered, by method and status code.")
                    .Register(*registry);
  constexpr std::array<const char*, kMethods> kMethodNames = {"StreamVideo",   "GenerateVideo", "UpdateSession",
                                                              "CancelSession", "WatchSession",  "GetServerInfo"};
  for (int method = 0; method < kMethods; ++method) {
    for (int code = 0; code < kCodes; ++code) {
      calls_[method][code] =
          &calls.Add({{"method", kMethodNames[method]}, {"code", CodeName(static_cast<absl::StatusCode>(code))}});
    }
  }
  auto& controls = prometheus::BuildCounter()
                       .Name("videodiffcr_control_messages_total")
                       .Help("Messages of viewers to running sessions, by kind and by what became of them.")
                       .Register(*registry);
  constexpr std::array<const char*, kControlTypes> kTypeNames = {"update", "credit", "pause",    "unpause", "scene_cut",
                                                                 "finish", "ack",    "snapshot", "unknown"};
  constexpr std::array<const char*, kControlResults> kResultNames = {"accepted", "rejected", "too_late"};
  for (int type = 0; type < kControlTypes; ++type) {
    for (int result = 0; result < kControlResults; ++result) {
      controls_[type][result] = &controls.Add({{"type", kTypeNames[type]}, {"result", kResultNames[result]}});
    }
  }
  auto& resumes = prometheus::BuildCounter()
                      .Name("videodiffcr_resumes_total")
                      .Help("Calls that asked to go on with a session, by what became of it.")
                      .Register(*registry);
  constexpr std::array<const char*, 4> kResumeNames = {"resumed", "lost", "unauthenticated", "refused"};
  for (size_t result = 0; result < resumes_.size(); ++result) {
    resumes_[result] = &resumes.Add({{"result", kResumeNames[result]}});
  }
  replayed_chunks_total = &prometheus::BuildCounter()
                               .Name("videodiffcr_replayed_chunks_total")
                               .Help("Chunks that were sent again to a client that resumed its session.")
                               .Register(*registry)
                               .Add({});
  watchers = &prometheus::BuildGauge()
                  .Name("videodiffcr_watchers")
                  .Help("Viewers of WatchSession.")
                  .Register(*registry)
                  .Add({});
  watch_chunks_skipped_total = &prometheus::BuildCounter()
                                    .Name("videodiffcr_watch_chunks_skipped_total")
                                    .Help("Chunks that viewers of WatchSession were too slow for.")
                                    .Register(*registry)
                                    .Add({});
  connections = &prometheus::BuildGauge()
                     .Name("videodiffcr_connections")
                     .Help("Connections that clients have open.")
                     .Register(*registry)
                     .Add({});
  auto& refused = prometheus::BuildCounter()
                      .Name("videodiffcr_connections_refused_total")
                      .Help("Connections that were closed at once, by the limit that they were beyond.")
                      .Register(*registry);
  refused_connections_[0] = &refused.Add({{"limit", "all"}});
  refused_connections_[1] = &refused.Add({{"limit", "peer"}});
}

void RpcMetrics::CountRefusedConnection(bool peer_has_too_many) {
  refused_connections_[peer_has_too_many ? 1 : 0]->Increment();
}

void RpcMetrics::CountCall(RpcMethod method, absl::StatusCode code) {
  const int index = static_cast<int>(code);
  const int known = index >= 0 && index < kCodes ? index : static_cast<int>(absl::StatusCode::kUnknown);
  calls_[static_cast<int>(method)][known]->Increment();
}

void RpcMetrics::CountResume(ResumeResult result) { resumes_[static_cast<size_t>(result)]->Increment(); }

void RpcMetrics::CountControl(ControlType type, ControlResult result) {
  controls_[static_cast<int>(type)][static_cast<int>(result)]->Increment();
}

}  // namespace videodiffcr
