#include "client/video_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "checksum/crc32c.h"
#include "client/call_status.h"
#include "client/proto_time.h"
#include "grpc/support/time.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// One chunk of raw 832x480 frames takes 14 MiB; gRPC's own limit of 4 MiB would refuse it.
constexpr int kMaxResponseBytes = 64 << 20;

constexpr absl::Duration kServerInfoTimeout = absl::Seconds(10);

// A moment for gRPC that a step of the wall clock does not move.
gpr_timespec SteadyDeadline(absl::Duration from_now) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_micros(absl::ToInt64Microseconds(from_now), GPR_TIMESPAN));
}
// A server that is frozen or cut off closes nothing; only a ping that stays unanswered tells. Together well under a
// minute, and no more often than a server allows (GetServerInfo's min_ping_interval, 5 s by default).
constexpr int kPingIntervalMilliseconds = 15'000;
constexpr int kPingTimeoutMilliseconds = 15'000;
constexpr int kMaxReconnectBackoffMilliseconds = 2'000;

// Whether the server will serve as soon as its model is in memory.
bool IsLoading(const absl::Status& status) {
  const auto error_info = ErrorInfoOf(status);
  return error_info.has_value() && error_info->reason() == "MODEL_LOADING";
}

absl::Duration RetryDelay(const absl::Status& status) {
  const auto retry_info = RetryInfoOf(status);
  return retry_info.has_value() ? absl::Seconds(ToSeconds(retry_info->retry_delay())) : absl::Seconds(1);
}

}  // namespace

VideoCall::VideoCall(v1::VideoGenerationService::Stub* stub, const v1::SessionConfig& config,
                     const std::string& authorization) {
  if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
  stream_ = stub->StreamVideo(&context_);
  v1::StreamVideoRequest request;
  *request.mutable_config() = config;
  Send(request);
}

VideoCall::~VideoCall() {
  if (!end_.has_value()) {
    Cancel();
    while (Next().has_value()) {
    }
    (void)Finish();
  }
}

std::optional<v1::StreamVideoResponse> VideoCall::Next() {
  v1::StreamVideoResponse response;
  if (!damage_.ok() || !stream_->Read(&response)) return std::nullopt;
  if (response.has_chunk()) {
    damage_ = CheckChunk(response.chunk());
    if (!damage_.ok()) {
      Cancel();
      return std::nullopt;
    }
  }
  return response;
}

absl::Status VideoCall::CheckChunk(const v1::VideoChunk& chunk) {
  if (chunk.sequence() != next_sequence_) {
    return absl::DataLossError(
        absl::StrCat("chunk ", chunk.sequence(), " arrived where chunk ", next_sequence_, " was due"));
  }
  const uint32_t checksum = Crc32c(chunk.payload());
  if (checksum != chunk.payload_crc32c()) {
    return absl::DataLossError(absl::StrCat("chunk ", chunk.sequence(), " is damaged: its payload has CRC-32C ",
                                            checksum, ", the server computed ", chunk.payload_crc32c()));
  }
  ++next_sequence_;
  return absl::OkStatus();
}

void VideoCall::Send(const v1::StreamVideoRequest& request) {
  // False means that the call is over; reading finds that out as well, and knows the reason.
  (void)stream_->Write(request);
}

void VideoCall::Cancel() { context_.TryCancel(); }

absl::Status VideoCall::Finish() {
  if (!end_.has_value()) {
    // gRPC wants the stream read to its end before Finish().
    v1::StreamVideoResponse rest;
    while (stream_->Read(&rest)) {
    }
    const absl::Status transport = ToAbslStatus(stream_->Finish());
    end_ = damage_.ok() ? transport : damage_;
  }
  return *end_;
}

VideoClient::VideoClient(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::VideoGenerationService::NewStub(channel)) {}

absl::StatusOr<std::unique_ptr<VideoClient>> VideoClient::Connect(const std::string& address, absl::Duration timeout,
                                                                  absl::Duration load_timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  // A proxy from the environment is meant for web pages; it would be asked for "localhost" too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // also while a session is paused
  // A server that comes back is found soon, however long it was away.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMilliseconds);
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(SteadyDeadline(timeout))) {
    return absl::UnavailableError(absl::StrCat("no server answers at ", address, " (waited ",
                                               absl::FormatDuration(timeout),
                                               "): start videodiffcr-server, or name another with --server HOST:PORT"));
  }
  const absl::Time deadline = SteadyNow() + load_timeout;
  std::unique_ptr<VideoClient> client(new VideoClient(std::move(channel)));
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
  context.set_deadline(SteadyDeadline(kServerInfoTimeout));
  v1::GetServerInfoResponse response;
  const grpc::Status status = stub_->GetServerInfo(&context, v1::GetServerInfoRequest(), &response);
  if (!status.ok()) return ToAbslStatus(status);
  return response;
}

std::unique_ptr<VideoCall> VideoClient::StreamVideo(const v1::SessionConfig& config, const std::string& authorization) {
  return std::unique_ptr<VideoCall>(new VideoCall(stub_.get(), config, authorization));
}

}  // namespace videodiffcr
