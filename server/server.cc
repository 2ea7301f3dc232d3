#include "server/server.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "server/logging/log_line.h"
#include "server/rpc/steady_deadline.h"
#include "server/warm_up.h"

namespace videodiffcr {
namespace {

constexpr char kVersion[] = VIDEODIFFCR_VERSION;

// How long gRPC may take at the end to hand over what ended calls have written; what is open after it is cut off.
constexpr absl::Duration kFlushTimeout = absl::Seconds(1);

// Calls that say nothing and calls that ask for information count as streams, too; beyond this a client's calls wait in
// the client.
int MaxStreamsPerConnection(const RpcLimits& limits) { return 2 * limits.max_sessions_per_connection + 32; }

// Reflection on or off for one server. Being linked, gRPC's reflection library has switched it on for every server of
// the process.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool wanted) : wanted_(wanted) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    auto reflection = std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&](const auto& plugin) { return plugin->name() == reflection->name(); });
    if (wanted_) plugins->push_back(std::move(reflection));
  }

 private:
  const bool wanted_;
};

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

Server::Server(const ServerConfig& config, Clock* clock)
    : config_(config),
      clock_(clock),
      registry_(std::make_shared<prometheus::Registry>()),
      server_metrics_(registry_.get(), kVersion),
      rpc_metrics_(registry_.get()),
      service_(config.rpc_limits, config.outbox_limits,
               ServerFacts{kVersion, config.scheduler.max_sessions, config.scheduler.max_waiting_sessions,
                           config.scheduler.idle_timeout},
               clock, &rpc_metrics_) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const ServerConfig& config, Clock* clock) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  auto server = absl::WrapUnique(new Server(config, clock));
  if (absl::Status status = server->StartMetrics(); !status.ok()) return status;
  if (absl::Status status = server->StartGrpc(); !status.ok()) return status;
  return server;
}

absl::Status Server::StartMetrics() {
  if (config_.metrics_listen.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsEndpoint>> endpoint =
      MetricsEndpoint::Create(config_.metrics_listen, registry_);
  if (!endpoint.ok()) return endpoint.status();
  metrics_endpoint_ = *std::move(endpoint);
  return absl::OkStatus();
}

absl::Status Server::StartGrpc() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config_.listen, grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&service_);
  builder.SetOption(std::make_unique<ReflectionOption>(config_.reflection));
  builder.SetMaxReceiveMessageSize(static_cast<int>(config_.rpc_limits.max_first_message_bytes));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, MaxStreamsPerConnection(config_.rpc_limits));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(config_.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(config_.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Two servers on one port would share its calls in secret; rather refuse to start.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr || port_ == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", config_.listen,
                     ": the port is in use or the address is not of this machine; choose another "
                     "with --listen (port 0 takes a free one)"));
  }
  SetServing(false);
  return absl::OkStatus();
}

absl::Status Server::Load(const ModelLoader& load_model) {
  const absl::Time began = clock_->Now();
  absl::StatusOr<std::unique_ptr<VideoModel>> model = load_model();
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  const absl::Time loaded = clock_->Now();
  server_metrics_.model_load_seconds->Set(absl::ToDoubleSeconds(loaded - began));
  if (absl::Status status = WarmUp(model_.get(), config_.warm_up_chunks); !status.ok()) return status;
  server_metrics_.warmup_seconds->Set(absl::ToDoubleSeconds(clock_->Now() - loaded));

  for (const DeviceMemory& memory : model_->info().device_memory) {
    server_metrics_.SetGpuMemory(model_->info().device, memory.kind, memory.bytes);
  }

  const std::string& name = model_->info().name;
  scheduler_metrics_ = std::make_unique<SchedulerMetrics>(registry_.get(), name);
  delivery_metrics_ = std::make_unique<DeliveryMetrics>(registry_.get(), name);
  absl::StatusOr<std::unique_ptr<Scheduler>> scheduler =
      Scheduler::Create(config_.scheduler, model_.get(), clock_, scheduler_metrics_.get());
  if (!scheduler.ok()) return scheduler.status();
  scheduler_ = *std::move(scheduler);
  service_.StartServing(model_.get(), scheduler_.get(), delivery_metrics_.get());
  SetServing(true);
  LogLine(absl::StrCat("serving model ", name, " (", model_->info().device, ") on port ", port_, ", metrics on port ",
                       metrics_port(), ", ready after ", absl::FormatDuration(clock_->Now() - began)));
  return WritePortFile();
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* const health = grpc_server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::VideoGenerationService::service_full_name(), serving);
  server_metrics_.ready->Set(serving ? 1 : 0);
}

absl::Status Server::WritePortFile() const {
  if (config_.port_file.empty()) return absl::OkStatus();
  // Under another name first, so that nobody reads half of it.
  const std::string partial = config_.port_file + ".partial";
  {
    std::ofstream file(partial);
    file << "grpc_port=" << port_ << "\nmetrics_port=" << metrics_port() << "\n";
    file.close();
    if (file.good() && std::rename(partial.c_str(), config_.port_file.c_str()) == 0) return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("cannot write ", config_.port_file, "; choose a file in a folder that exists with --port-file"));
}

void Server::Drain() { Stop(clock_->Now() + config_.drain_timeout); }

void Server::Stop(absl::Time deadline) {
  if (std::exchange(stopped_, true)) return;
  if (grpc_server_ == nullptr) return;
  SetServing(false);
  server_metrics_.draining->Set(1);
  LogLine("draining: no new sessions; running ones end after the chunk in progress");
  if (scheduler_ != nullptr) scheduler_->Drain(deadline);
  const bool all_ended = service_.WaitForCalls(deadline);
  // What is left: calls past the deadline, watchers of the health service, calls without a first message. And bytes:
  // the last status of a call that has ended may still be on its way to the kernel, and gRPC drops it with the
  // connection.
  const absl::Duration flush_time = std::clamp(deadline - clock_->Now(), absl::ZeroDuration(), kFlushTimeout);
  grpc_server_->Shutdown(SteadyDeadline(flush_time));
  LogLine(all_ended ? "drained: every session has ended" : "drained: the time was up, some calls were cut off");
}

Server::~Server() { Stop(clock_->Now()); }

}  // namespace videodiffcr
