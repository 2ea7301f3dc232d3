#include "gateway/gateway_metrics.h"

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

prometheus::Gauge* AddGauge(prometheus::Registry* registry, const char* name, const char* help) {
  return &prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}

prometheus::Counter* AddCounter(prometheus::Registry* registry, const char* name, const char* help) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(*registry).Add({});
}

}  // namespace

GatewayMetrics::GatewayMetrics(prometheus::Registry* registry) {
  connections = AddGauge(registry, "videodiffcr_gateway_connections", "HTTP connections that are open.");
  viewers = AddGauge(registry, "videodiffcr_gateway_viewers", "Answers that follow a live session: video and events.");
  live_sessions = AddGauge(registry, "videodiffcr_gateway_live_sessions", "Live sessions that run.");
  chunks = AddCounter(registry, "videodiffcr_gateway_chunks_total", "Chunks received from servers.");
  skipped_chunks = AddCounter(registry, "videodiffcr_gateway_skipped_chunks_total",
                              "Chunks that viewers did not get because they read too slowly.");
  sent_bytes = AddCounter(registry, "videodiffcr_gateway_sent_bytes_total", "Bytes of answers handed to the system.");
  resumes = AddCounter(registry, "videodiffcr_gateway_resumes_total",
                       "Breaks behind which a live session went on at the server that it was at.");
  hand_overs = AddCounter(registry, "videodiffcr_gateway_hand_overs_total",
                          "Breaks behind which a live session went on from a snapshot, mostly at another server.");
  job_bytes = AddGauge(registry, "videodiffcr_gateway_job_bytes", "Bytes of jobs' videos on the disk.");
  requests = &prometheus::BuildCounter()
                  .Name("videodiffcr_gateway_requests_total")
                  .Help("Requests by what they were for and the status of the answer.")
                  .Register(*registry);
  jobs = &prometheus::BuildCounter()
              .Name("videodiffcr_gateway_jobs_total")
              .Help("Jobs that have ended, by how.")
              .Register(*registry);
  for (const char* outcome : {"completed", "failed"}) jobs->Add({{"outcome", outcome}});
  for (const char* route : {"page", "info", "live", "watch", "control", "videos", "other"}) CountRequest(route, 0);
}

void GatewayMetrics::CountRequest(const std::string& route, int status) {
  prometheus::Counter& counter =
      requests->Add({{"route", route}, {"status", absl::StrCat(status == 0 ? 200 : status)}});
  if (status != 0) counter.Increment();
}

}  // namespace videodiffcr
