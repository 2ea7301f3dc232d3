#include "server/admin_server.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "proto/grpc_deadline.h"
#include "server/rpc/call_observer.h"
#include "server/rpc/grpc_options.h"
#include "server/sockets/connection_use.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {
namespace {

// A few probes and a person with grpcurl. No call of theirs gives a connection a right to its place, so that a probe
// gets in however many have come before it.
constexpr int kMaxConnections = 64;
constexpr int kMaxMessageBytes = 64 << 10;
constexpr int kMaxThreads = 8;
constexpr int kFewestBytesOfAProbe = 64;  // a greeting alone asks nothing
constexpr absl::Duration kUnacknowledgedTimeout = absl::Seconds(20);

absl::Status CannotListen(const std::string& address, const absl::Status& why) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address, " (", why.message(), "); choose another address with --admin-listen"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Create(const std::string& listen, bool reflection) {
  absl::StatusOr<ListeningSocket> socket = Listen(listen);
  if (!socket.ok()) return CannotListen(listen, socket.status());
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  ConnectionAcceptor::GrpcSide grpc_side = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.SetOption(std::make_unique<ReflectionOption>(reflection));
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  grpc::ResourceQuota quota("videodiffcr_admin");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  RefuseCompression(&builder);
  auto uses = std::make_shared<ConnectionUses>();
  ObserveCalls(uses, /*service=*/"", &builder);
  auto admin = absl::WrapUnique(new AdminServer());
  // gRPC does not start with nothing but its own health service.
  builder.RegisterCallbackGenericService(&admin->unknown_methods_);
  admin->grpc_server_ = builder.BuildAndStart();
  if (admin->grpc_server_ == nullptr) return absl::UnavailableError("gRPC does not start for the admin port");
  admin->SetServing(false);
  admin->SetAlive(true);
  ConnectionAcceptor::Options options;
  options.connections.max_connections = kMaxConnections;
  options.connections.silent_bytes = kFewestBytesOfAProbe;
  options.unacknowledged_timeout = kUnacknowledgedTimeout;
  absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> acceptor =
      ConnectionAcceptor::Create(*std::move(socket), options, std::move(grpc_side), std::move(uses), nullptr);
  if (!acceptor.ok()) return CannotListen(listen, acceptor.status());
  admin->acceptor_ = *std::move(acceptor);
  return admin;
}

AdminServer::~AdminServer() {
  acceptor_.reset();
  if (grpc_server_ != nullptr) grpc_server_->Shutdown(GrpcDeadline(absl::ZeroDuration()));
}

void AdminServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* const health = grpc_server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(v1::VideoGenerationService::service_full_name(), serving);
}

void AdminServer::SetAlive(bool alive) { grpc_server_->GetHealthCheckService()->SetServingStatus(kLiveService, alive); }

}  // namespace videodiffcr
