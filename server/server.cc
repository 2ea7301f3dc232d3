#include "server/server.h"

#include <algorithm>
#include <climits>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "proto/grpc_deadline.h"
#include "server/logging/grpc_log.h"
#include "server/logging/log_line.h"
#include "server/rpc/call_observer.h"
#include "server/rpc/grpc_options.h"
#include "server/sockets/descriptor_limit.h"
#include "server/sockets/host_port.h"
#include "server/warm_up.h"
#include "system/port_file.h"
#include "system/regular_file.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {
namespace {

constexpr char kVersion[] = VIDEODIFFCR_VERSION;

// Of gRPC's synchronous services, which is reflection: a thread for each call of it.
constexpr int kMaxGrpcThreads = 64;

// How long gRPC may take at the end to hand over what ended calls have written; what is open after it is cut off.
constexpr absl::Duration kFlushTimeout = absl::Seconds(1);

// Calls that say nothing and calls that ask for information count as streams, too; beyond this a client's calls wait in
// the client.
int MaxStreamsPerConnection(const ServerConfig& config) {
  const int sessions = config.rpc_limits.behind_proxy
                           ? config.scheduler.max_sessions + config.scheduler.max_waiting_sessions
                           : config.rpc_limits.max_sessions_per_connection;
  return 2 * std::min(sessions, 1 << 20) + 32;
}

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

void SetLimits(const ServerConfig& config, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(config.rpc_limits.max_first_message_bytes));
  builder->SetMaxSendMessageSize(-1);
  RefuseCompression(builder);
  grpc::ResourceQuota quota("videodiffcr");
  quota.Resize(static_cast<size_t>(config.transport_memory_bytes));
  quota.SetMaxThreads(kMaxGrpcThreads);
  builder->SetResourceQuota(quota);
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, MaxStreamsPerConnection(config)},
      {GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(config.keepalive_time)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(config.keepalive_timeout)},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Milliseconds(config.rpc_limits.min_ping_interval)},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS,
       config.max_connection_age > absl::ZeroDuration() ? Milliseconds(config.max_connection_age) : INT_MAX},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(config.max_connection_age_grace)},
      // A connection that does not speak HTTP/2 in this time is closed.
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(config.rpc_limits.first_message_timeout)},
  };
  for (const auto& [name, value] : arguments) builder->AddChannelArgument(name, value);
}

// Empty without a file.
absl::StatusOr<std::string> ReadSnapshotKey(const std::string& file) {
  constexpr int64_t kMaxKeyBytes = 4096;
  constexpr size_t kMinKeyBytes = 32;
  if (file.empty()) return std::string();
  absl::StatusOr<std::string> key = ReadRegularFile(file, kMaxKeyBytes);
  if (!key.ok()) {
    return absl::Status(key.status().code(), absl::StrCat("snapshot_key_file: ", key.status().message()));
  }
  if (key->size() < kMinKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat("snapshot_key_file: ", file, " has ", key->size(),
                                                   " bytes; a key has at least ", kMinKeyBytes,
                                                   "; `openssl rand -out FILE 32` makes one"));
  }
  return key;
}

absl::Status CannotListen(const std::string& address, const absl::Status& why) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, " (", why.message(),
                                             "); choose another address with --listen (port 0 takes a free one)"));
}

}  // namespace

Server::Server(const ServerConfig& config, std::string session_key, std::string snapshot_key, Clock* clock)
    : config_(config),
      clock_(clock),
      server_metrics_(&registry_, kVersion),
      rpc_metrics_(&registry_),
      access_metrics_(&registry_),
      service_(config.rpc_limits, config.outbox_limits,
               ServerFacts{kVersion, config.scheduler.max_sessions, config.scheduler.max_waiting_sessions,
                           config.scheduler.idle_timeout, config.scheduler.idle_grace, config.replay_limits,
                           config.scheduler.session_lifetime, config.max_connection_age,
                           config.max_connection_age_grace, config.keepalive_time, config.keepalive_timeout},
               std::move(session_key), SnapshotSeal(config.model_fingerprint, std::move(snapshot_key)), clock,
               &rpc_metrics_, config.log_prompts) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const ServerConfig& config, Clock* clock) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  absl::StatusOr<std::string> session_key = SessionTokens::RandomKey();
  if (!session_key.ok()) return session_key.status();
  absl::StatusOr<std::string> snapshot_key = ReadSnapshotKey(config.snapshot_key_file);
  if (!snapshot_key.ok()) return snapshot_key.status();
  auto server = absl::WrapUnique(new Server(config, *std::move(session_key), *std::move(snapshot_key), clock));
  RouteGrpcLog();
  if (absl::Status status = server->StartMetrics(); !status.ok()) return status;
  if (absl::Status status = server->StartAccess(); !status.ok()) return status;
  if (absl::Status status = server->StartAdmin(); !status.ok()) return status;
  if (absl::Status status = server->StartGrpc(); !status.ok()) return status;
  return server;
}

absl::Status Server::StartMetrics() {
  if (config_.metrics_listen.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsEndpoint>> endpoint =
      MetricsEndpoint::Create(config_.metrics_listen, &registry_);
  if (!endpoint.ok()) return endpoint.status();
  metrics_endpoint_ = *std::move(endpoint);
  return absl::OkStatus();
}

// Certificates and tokens are the world's, so they go by the wall clock.
absl::Status Server::StartAccess() {
  if (config_.tls.any()) {
    absl::StatusOr<std::unique_ptr<ServedCertificates>> certificates =
        ServedCertificates::Create(config_.tls, absl::Now());
    if (!certificates.ok()) return certificates.status();
    certificates_ = *std::move(certificates);
    access_metrics_.SetCertificateExpiry(certificates_->expiry());
  }
  if (!config_.tokens_file.empty()) {
    absl::StatusOr<std::unique_ptr<AccessControl>> control = AccessControl::Create(config_.tokens_file);
    if (!control.ok()) return control.status();
    access_control_ = *std::move(control);
    if (!config_.tls.any()) {
      LogLine("tokens travel in plaintext; use --tls-certificate, or see that TLS ends in front of the server",
              LogLevel::kWarning);
    }
  }
  service_.CheckAccess({access_control_.get(), &access_metrics_});
  return absl::OkStatus();
}

void Server::LookAtFiles() {
  const auto tell = [this](const absl::Status& status) {
    if (status.ok()) return;
    access_metrics_.failed_reloads->Increment();
    LogLine(absl::StrCat("goes on with what was read before: ", status.message()), LogLevel::kError);
  };
  if (access_control_ != nullptr) tell(access_control_->ReloadIfChanged());
  if (certificates_ == nullptr) return;
  tell(certificates_->ReadIfChanged(absl::Now()));
  access_metrics_.SetCertificateExpiry(certificates_->expiry());
}

absl::Status Server::StartAdmin() {
  if (config_.admin_listen.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<AdminServer>> admin = AdminServer::Create(config_.admin_listen, config_.reflection);
  if (!admin.ok()) return admin.status();
  admin_server_ = *std::move(admin);
  return absl::OkStatus();
}

absl::Status Server::StartGrpc() {
  absl::StatusOr<ListeningSocket> socket = Listen(config_.listen);
  if (!socket.ok()) return CannotListen(config_.listen, socket.status());
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  ConnectionAcceptor::GrpcSide grpc_side = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, MakeCredentials(certificates_.get()));
  builder.RegisterService(&service_);
  builder.SetOption(std::make_unique<ReflectionOption>(config_.reflection));
  SetLimits(config_, &builder);
  ObserveCalls(connection_uses_, v1::VideoGenerationService::service_full_name(), &builder);
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr) return absl::UnavailableError("gRPC does not start");
  SetServing(false);
  port_ = socket->port;
  if (!config_.advertised_ip.empty()) {
    const absl::StatusOr<std::string> address = JoinIpPort(config_.advertised_ip, port_);
    if (!address.ok()) return address.status();
    service_.SetRoute(absl::Base64Escape(*address));
  }
  own_port_ = {socket->address, socket->address_bytes, /*tls=*/config_.tls.any(),
               /*may_close_at_once=*/config_.max_connections_per_peer > 0 && !config_.rpc_limits.behind_proxy};
  return StartAcceptor(*std::move(socket), std::move(grpc_side));
}

absl::Status Server::StartAcceptor(ListeningSocket socket, ConnectionAcceptor::GrpcSide grpc_side) {
  const absl::StatusOr<int> connections = ConnectionsThatFit(config_.max_connections);
  if (!connections.ok()) return connections.status();
  if (*connections < config_.max_connections) {
    LogLine(absl::StrCat("at most ", *connections, " connections, not ", config_.max_connections,
                         ": the process may open no more descriptors (ulimit -n)"));
  }
  ConnectionAcceptor::Options options;
  options.connections.max_connections = *connections;
  options.connections.max_per_peer = config_.rpc_limits.behind_proxy ? 0 : config_.max_connections_per_peer;
  options.connections.first_message_bytes = config_.rpc_limits.max_first_message_bytes;
  options.connections.later_message_bytes = config_.rpc_limits.max_control_message_bytes;
  options.unacknowledged_timeout = config_.keepalive_timeout;
  absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> acceptor =
      ConnectionAcceptor::Create(std::move(socket), options, std::move(grpc_side), connection_uses_, &rpc_metrics_);
  if (!acceptor.ok()) return CannotListen(config_.listen, acceptor.status());
  acceptor_ = *std::move(acceptor);
  return absl::OkStatus();
}

absl::Status Server::Load(const ModelLoader& load_model) {
  const absl::Time began = clock_->Now();
  absl::StatusOr<std::unique_ptr<VideoModel>> model = load_model();
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  const absl::Time loaded = clock_->Now();
  server_metrics_.model_load_seconds->Set(absl::ToDoubleSeconds(loaded - began));
  std::vector<std::pair<PlannedStep, absl::Duration>> pass_times;
  const OnPlan keep_time = [&](const PlannedStep& step, const std::vector<StepOutcome>&, absl::Duration elapsed) {
    pass_times.emplace_back(step, elapsed);
  };
  if (absl::Status status = WarmUp(model_.get(), config_.warm_up_chunks, keep_time); !status.ok()) return status;
  server_metrics_.warmup_seconds->Set(absl::ToDoubleSeconds(clock_->Now() - loaded));

  for (const DeviceMemory& memory : model_->info().device_memory) {
    server_metrics_.SetGpuMemory(model_->info().device, memory.kind, memory.bytes);
  }

  const std::string& name = model_->info().name;
  scheduler_metrics_ = std::make_unique<SchedulerMetrics>(&registry_, name);
  delivery_metrics_ = std::make_unique<DeliveryMetrics>(&registry_, name);
  absl::StatusOr<std::unique_ptr<Scheduler>> scheduler =
      Scheduler::Create(config_.scheduler, model_.get(), clock_, scheduler_metrics_.get());
  if (!scheduler.ok()) return scheduler.status();
  scheduler_ = *std::move(scheduler);
  for (const auto& [step, elapsed] : pass_times) scheduler_->NotePassTime(step, elapsed);
  service_.StartServing(model_.get(), scheduler_.get(), delivery_metrics_.get());
  if (absl::Status status = StartUpkeep(); !status.ok()) return status;
  SetServing(true);
  LogLine(absl::StrCat("serving model ", name, " (", model_->info().device, ") on port ", port_, ", metrics on port ",
                       metrics_port(), ", probes on port ", admin_port(), ", ready after ",
                       absl::FormatDuration(clock_->Now() - began)));
  return WritePortFile();
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* const health = grpc_server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::VideoGenerationService::service_full_name(), serving);
  if (admin_server_ != nullptr) admin_server_->SetServing(serving);
  MutexLock lock(&readiness_mutex_);
  serving_ = serving;
  server_metrics_.ready->Set(serving_ && reachable_.ok() ? 1 : 0);
}

// The health service of the own port goes on as it is: whoever hears it has a connection that works. Probes come by
// another port, and are told that a restart would help; where all places are taken by calls, it would only end these.
void Server::SetReachable(const absl::Status& reachable) {
  MutexLock lock(&readiness_mutex_);
  if (reachable.code() != reachable_.code()) {
    LogLine(reachable.ok() ? "new connections are served again" : absl::StrCat("not ready: ", reachable.message()),
            reachable.ok() ? LogLevel::kInfo : LogLevel::kError);
  }
  reachable_ = reachable;
  if (admin_server_ != nullptr) admin_server_->SetAlive(reachable.ok() || absl::IsResourceExhausted(reachable));
  server_metrics_.ready->Set(serving_ && reachable_.ok() ? 1 : 0);
}

absl::Status Server::StartUpkeep() {
  try {
    upkeep_ = std::make_unique<Upkeep>(
        config_.upkeep_interval, own_port_,
        [this] {
          return CallCensus{service_.open_calls(), service_.calls_begun()};
        },
        [this](const absl::Status& reachable) { SetReachable(reachable); }, [this] { LookAtFiles(); });
  } catch (const std::system_error& error) {
    return absl::UnavailableError(absl::StrCat("no thread for the server's upkeep: ", error.what()));
  }
  return absl::OkStatus();
}

absl::Status Server::WritePortFile() const {
  if (config_.port_file.empty()) return absl::OkStatus();
  return videodiffcr::WritePortFile(
      config_.port_file, {{"grpc_port", port_}, {"metrics_port", metrics_port()}, {"admin_port", admin_port()}});
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
  upkeep_.reset();
  acceptor_.reset();
  grpc_server_->Shutdown(GrpcDeadline(flush_time));
  LogLine(all_ended ? "drained: every session has ended" : "drained: the time was up, some calls were cut off");
}

Server::~Server() { Stop(clock_->Now()); }

}  // namespace videodiffcr
