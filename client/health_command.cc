#include "client/health_command.h"

#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/server_list.h"
#include "command_line/flag_reader.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/impl/codegen/client_unary_call.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "proto/grpc_deadline.h"

namespace videodiffcr {
namespace {

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
// HealthCheckResponse{status: SERVING}.
constexpr absl::string_view kServing("\x08\x01", 2);
constexpr size_t kMaxServiceBytes = 127;  // of which the length is one byte

// HealthCheckRequest{service}: one string, field 1. gRPC's Debian package does not bring its proto along.
grpc::ByteBuffer RequestFor(const std::string& service) {
  const std::string bytes = service.empty() ? "" : absl::StrCat("\x0a", std::string(1, char(service.size())), service);
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

absl::Status CheckHealth(const std::string& server, const std::string& service, absl::Duration timeout) {
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), ClientChannelArguments());
  grpc::ClientContext context;
  context.set_deadline(GrpcDeadline(timeout));
  context.set_wait_for_ready(true);
  grpc::ByteBuffer response;
  const grpc::internal::RpcMethod method(kCheck, grpc::internal::RpcMethod::NORMAL_RPC, channel);
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer, grpc::ByteBuffer, grpc::ByteBuffer>(
          channel.get(), method, &context, RequestFor(service), &response);
  if (!status.ok()) {
    const bool answered = status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
    const absl::string_view where =
        answered ? "" : "; a server does on the port of its --admin-listen and, without TLS, of its --listen";
    return absl::UnavailableError(absl::StrCat(server, " does not say how it is: ", status.error_message(), where));
  }
  if (BytesOf(response) != kServing)
    return absl::UnavailableError(absl::StrCat(server, " says that it does not serve"));
  return absl::OkStatus();
}

Subcommand HealthSubcommand() {
  CommandText text = {"health", "tells whether a server serves",
                      "Exit status 0: it does. It asks the port for probes (--admin-listen), in plaintext.",
                      "videodiffcr health --server localhost:50052"};
  const auto add = [](Command* command) {
    const auto server = std::make_shared<std::string>("localhost:50052");
    const auto service = std::make_shared<std::string>();
    const auto timeout = std::make_shared<absl::Duration>(absl::Seconds(3));
    command->AddFlag({"server", "HOST:PORT", "The port that is asked.", "gpu-7:50052"},
                     ReadServerAddress(server.get()));
    command->AddFlag({"service", "NAME",
                      "Whose health: \"live\" is the process's own; empty, as it is by default, the server's, which "
                      "does not serve while it loads or drains.",
                      "live"},
                     ReadString(service.get()));
    command->AddFlag({"timeout", "TIME", "How long to wait for an answer.", "1s"}, ReadDuration(timeout.get()));
    command->AddCheck([service] {
      if (service->size() <= kMaxServiceBytes) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat("--service is longer than ", kMaxServiceBytes, " bytes"));
    });
    return [server, service, timeout] { return CheckHealth(*server, *service, *timeout); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
