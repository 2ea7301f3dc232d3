#include "server/metrics/server_metrics.h"

namespace videodiffcr {
namespace {

prometheus::Family<prometheus::Gauge>& AddFamily(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry);
}

}  // namespace

ServerMetrics::ServerMetrics(prometheus::Registry* registry, const std::string& version) {
  ready = &AddFamily(registry, "videodiffcr_ready", "1 while the server takes new sessions.").Add({});
  draining = &AddFamily(registry, "videodiffcr_draining", "1 from the moment the server was told to stop.").Add({});
  model_load_seconds =
      &AddFamily(registry, "videodiffcr_model_load_seconds", "Time it took to load the model; 0 before.").Add({});
  warmup_seconds =
      &AddFamily(registry, "videodiffcr_warmup_seconds", "Time it took to warm the model up; 0 before.").Add({});
  gpu_memory_bytes = &AddFamily(registry, "videodiffcr_gpu_memory_bytes",
                                "Memory the model holds on the GPU, by what it is for; 0 where it runs on the CPU.");
  for (const char* kind : {"weights", "sessions", "scratch"}) SetGpuMemory("cuda", kind, 0);
  AddFamily(registry, "videodiffcr_build_info", "Always 1; the labels say what runs.")
      .Add({{"version", version}})
      .Set(1);
}

void ServerMetrics::SetGpuMemory(const std::string& device, const std::string& kind, int64_t bytes) {
  gpu_memory_bytes->Add({{"device", device}, {"kind", kind}}).Set(static_cast<double>(bytes));
}

}  // namespace videodiffcr
