#include "client/video_client.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/call_status.h"
#include "grpcpp/support/channel_arguments.h"
#include "proto/grpc_deadline.h"
#include "proto/proto_duration.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// One chunk of raw 832x480 frames takes 14 MiB; gRPC's own limit of 4 MiB would refuse it.
constexpr int kMaxResponseBytes = 64 << 20;

constexpr absl::Duration kServerInfoTimeout = absl::Seconds(10);

// A server that is frozen or cut off closes nothing; only a ping that stays unanswered tells. Together well under a
// minute, and no more often than a server allows (GetServerInfo's min_ping_interval, 5 s by default).
constexpr int kPingIntervalMilliseconds = 15'000;
constexpr int kPingTimeoutMilliseconds = 15'000;

// A session that waits for its client waits half a minute; gRPC would let most of it pass between two attempts.
constexpr int kFirstReconnectMilliseconds = 100;
constexpr int kLastReconnectMilliseconds = 1'000;

// Whether the server will serve as soon as its model is in memory.
bool IsLoading(const absl::Status& status) {
  const auto error_info = ErrorInfoOf(status);
  return error_info.has_value() && error_info->reason() == "MODEL_LOADING";
}

absl::Duration RetryDelay(const absl::Status& status) {
  const auto retry_info = RetryInfoOf(status);
  return retry_info.has_value() ? absl::Seconds(ToSeconds(retry_info->retry_delay())) : absl::Seconds(1);
}

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  // A proxy from the environment is meant for web pages; it would be asked for "localhost" too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // also while a session is paused
  // Each client has connections of its own, as its comment says; gRPC would let those to one server share.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A server that comes back is found soon, however long it was away.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMilliseconds);
  return arguments;
}

// In their order, as far as they answer at once.
std::optional<size_t> FirstToAnswer(const std::vector<std::shared_ptr<grpc::Channel>>& channels, absl::Time deadline) {
  for (absl::Duration wait; true; wait = absl::Milliseconds(100)) {
    for (const auto& channel : channels) (void)channel->GetState(/*try_to_connect=*/true);
    for (size_t i = 0; i < channels.size(); ++i) {
      const absl::Duration left = deadline - SteadyNow();
      const absl::Duration own = channels.size() == 1 ? left : std::min(std::max(wait, absl::Milliseconds(20)), left);
      if (channels[i]->WaitForConnected(GrpcDeadline(std::max(own, absl::ZeroDuration())))) return i;
    }
    if (SteadyNow() >= deadline) return std::nullopt;
  }
}

}  // namespace

VideoClient::VideoClient(const std::vector<std::shared_ptr<grpc::Channel>>& channels, size_t first) {
  for (size_t i = 0; i < channels.size(); ++i) {
    stubs_.push_back(v1::VideoGenerationService::NewStub(channels[(first + i) % channels.size()]));
  }
}

absl::StatusOr<std::unique_ptr<VideoClient>> VideoClient::Connect(const std::string& addresses, absl::Duration timeout,
                                                                  absl::Duration load_timeout,
                                                                  const ChannelSecurity& security) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const absl::string_view address : absl::StrSplit(addresses, ',')) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
        MakeChannel(std::string(address), security, ChannelArguments());
    if (!channel.ok()) return channel.status();
    channels.push_back(*std::move(channel));
  }
  const std::optional<size_t> first = FirstToAnswer(channels, SteadyNow() + timeout);
  if (!first.has_value()) {
    return absl::UnavailableError(absl::StrCat("no server answers at ", addresses, " (waited ",
                                               absl::FormatDuration(timeout),
                                               "): start videodiffcr-server, or name another with --server HOST:PORT"));
  }
  const absl::Time deadline = SteadyNow() + load_timeout;
  std::unique_ptr<VideoClient> client(new VideoClient(channels, *first));
  for (absl::Status status = client->GetServerInfo().status(); IsLoading(status);
       status = client->GetServerInfo().status()) {
    const absl::Duration delay = RetryDelay(status);
    if (SteadyNow() + delay > deadline) return status;
    absl::SleepFor(delay);
  }
  return client;
}

absl::StatusOr<v1::GetServerInfoResponse> VideoClient::GetServerInfo(const std::string& authorization) {
  grpc::ClientContext context;
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  context.set_deadline(GrpcDeadline(kServerInfoTimeout));
  v1::GetServerInfoResponse response;
  const grpc::Status status = stubs_.front()->GetServerInfo(&context, v1::GetServerInfoRequest(), &response);
  if (!status.ok()) return ToAbslStatus(status);
  return response;
}

std::unique_ptr<VideoCall> VideoClient::StreamVideo(const v1::SessionConfig& config, const ResumeOptions& options,
                                                    const std::string& authorization) {
  std::vector<v1::VideoGenerationService::StubInterface*> servers;
  for (const auto& stub : stubs_) servers.push_back(stub.get());
  return std::make_unique<VideoCall>(std::move(servers), config, options, authorization);
}

}  // namespace videodiffcr
