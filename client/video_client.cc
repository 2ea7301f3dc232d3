#include "client/video_client.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/call_status.h"
#include "proto/grpc_deadline.h"
#include "proto/proto_duration.h"
#include "proto/status_details.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kServerInfoTimeout = absl::Seconds(10);
constexpr absl::Duration kReasonTimeout = absl::Seconds(1);

// Whether the server will serve as soon as its model is in memory.
bool IsLoading(const absl::Status& status) {
  const auto error_info = ErrorInfoOf(status);
  return error_info.has_value() && error_info->reason() == error_reason::kModelLoading;
}

absl::Duration RetryDelay(const absl::Status& status) {
  const auto retry_info = RetryInfoOf(status);
  return retry_info.has_value() ? absl::Seconds(ToSeconds(retry_info->retry_delay())) : absl::Seconds(1);
}

// What gRPC says of the first server, which has not answered so far: a call that does not wait is told.
std::string WhyNotConnected(const ServerList& servers) {
  grpc::ClientContext context;
  context.set_deadline(GrpcDeadline(kReasonTimeout));
  v1::GetServerInfoResponse response;
  return v1::VideoGenerationService::NewStub(servers.channel(0))
      ->GetServerInfo(&context, v1::GetServerInfoRequest(), &response)
      .error_message();
}

// A server that wants TLS or a certificate hangs up on who comes without, and cannot say so.
std::string AdviceFor(const std::string& reason) {
  constexpr char kStart[] = "start videodiffcr-server, or name another with --server HOST:PORT";
  if (absl::StrContains(reason, "Connection refused")) return kStart;
  if (absl::StrContains(reason, "DNS")) return absl::StrCat(kStart, " (", reason, ")");
  return absl::StrCat(kStart, "; one that speaks TLS wants --tls or --tls-ca, and may want --tls-certificate (", reason,
                      ")");
}

}  // namespace

VideoClient::VideoClient(const ServerList& servers, size_t first) {
  for (size_t i = 0; i < servers.size(); ++i) {
    const size_t index = (first + i) % servers.size();
    addresses_.push_back(servers.address(index));
    stubs_.push_back(v1::VideoGenerationService::NewStub(servers.channel(index)));
  }
}

absl::StatusOr<std::unique_ptr<VideoClient>> VideoClient::Connect(const std::string& addresses, absl::Duration timeout,
                                                                  absl::Duration load_timeout,
                                                                  const ChannelSecurity& security) {
  const absl::StatusOr<ServerList> servers = ServerList::Make(addresses, security);
  if (!servers.ok()) return servers.status();
  const std::optional<size_t> first = servers->FirstToAnswer(0, timeout);
  if (!first.has_value()) {
    return absl::UnavailableError(absl::StrCat("no server answers at ", addresses, " (waited ",
                                               absl::FormatDuration(timeout),
                                               "): ", AdviceFor(WhyNotConnected(*servers))));
  }
  const absl::Time deadline = SteadyNow() + load_timeout;
  auto client = std::make_unique<VideoClient>(*servers, *first);
  for (absl::Status status = client->GetServerInfo().status(); IsLoading(status);
       status = client->GetServerInfo().status()) {
    const absl::Duration delay = RetryDelay(status);
    if (SteadyNow() + delay > deadline) return status;
    absl::SleepFor(delay);
  }
  return client;
}

absl::StatusOr<v1::GetServerInfoResponse> VideoClient::GetServerInfo(const std::string& authorization) {
  absl::Status refusal;
  for (const auto& stub : stubs_) {
    grpc::ClientContext context;
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    context.set_deadline(GrpcDeadline(kServerInfoTimeout));
    v1::GetServerInfoResponse response;
    const absl::Status status = ToAbslStatus(stub->GetServerInfo(&context, v1::GetServerInfoRequest(), &response));
    if (status.ok()) return response;
    if (!absl::IsUnavailable(status)) return status;
    // A server that is there and says why it cannot tells more than one that is not.
    if (!ErrorInfoOf(refusal).has_value()) refusal = status;
  }
  return refusal;
}

std::unique_ptr<VideoCall> VideoClient::StreamVideo(const v1::SessionConfig& config, const ResumeOptions& options,
                                                    const std::string& authorization) {
  std::vector<v1::VideoGenerationService::StubInterface*> servers;
  for (const auto& stub : stubs_) servers.push_back(stub.get());
  return std::make_unique<VideoCall>(std::move(servers), config, options, authorization);
}

}  // namespace videodiffcr
