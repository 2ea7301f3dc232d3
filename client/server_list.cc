#include "client/server_list.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "grpc/compression.h"
#include "proto/grpc_deadline.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// One chunk of raw 832x480 frames takes 14 MiB; gRPC's own limit of 4 MiB would refuse it.
constexpr int kMaxResponseBytes = 64 << 20;

// A server that is frozen or cut off closes nothing; only a ping that stays unanswered tells. Together well under a
// minute, and no more often than a server allows (GetServerInfo's min_ping_interval, 5 s by default).
constexpr int kPingIntervalMilliseconds = 15'000;
constexpr int kPingTimeoutMilliseconds = 15'000;

// A session that waits for its client waits half a minute; gRPC would let most of it pass between two attempts.
constexpr int kFirstReconnectMilliseconds = 100;
constexpr int kLastReconnectMilliseconds = 1'000;

}  // namespace

grpc::ChannelArguments ClientChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  // The bound above is that of what arrives; unpacked, a message could have a thousand times as much.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // A proxy from the environment is meant for web pages; it would be asked for "localhost" too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // also while a session is paused
  // Each list has connections of its own; gRPC would let those of all lists to one server share.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A server that comes back is found soon, however long it was away.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMilliseconds);
  return arguments;
}

absl::StatusOr<ServerList> ServerList::Make(const std::string& addresses, const ChannelSecurity& security) {
  ServerList list;
  for (const absl::string_view address : absl::StrSplit(addresses, ',')) {
    list.addresses_.emplace_back(address);
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
        MakeChannel(list.addresses_.back(), security, ClientChannelArguments());
    if (!channel.ok()) return channel.status();
    list.channels_.push_back(*std::move(channel));
  }
  return list;
}

std::optional<size_t> ServerList::FirstToAnswer(size_t from, absl::Duration timeout) const {
  const absl::Time deadline = SteadyNow() + timeout;
  for (absl::Duration wait; true; wait = absl::Milliseconds(100)) {
    for (const auto& channel : channels_) (void)channel->GetState(/*try_to_connect=*/true);
    for (size_t i = 0; i < size(); ++i) {
      const size_t index = (from + i) % size();
      const absl::Duration left = deadline - SteadyNow();
      const absl::Duration own = size() == 1 ? left : std::min(std::max(wait, absl::Milliseconds(20)), left);
      if (channels_[index]->WaitForConnected(GrpcDeadline(std::max(own, absl::ZeroDuration())))) return index;
    }
    if (SteadyNow() >= deadline) return std::nullopt;
  }
}

}  // namespace videodiffcr
