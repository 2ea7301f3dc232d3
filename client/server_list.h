// Channels to servers of one model.
#ifndef VIDEODIFFCR_CLIENT_SERVER_LIST_H_
#define VIDEODIFFCR_CLIENT_SERVER_LIST_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel_security.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace videodiffcr {

// What every channel of a client of ours is made with.
grpc::ChannelArguments ClientChannelArguments();

// Thread-safe. One connection to each server, which no other list shares; copies do.
class ServerList {
 public:
  // "host:port,host:port". Connects to none of them yet. MakeChannel()'s errors.
  static absl::StatusOr<ServerList> Make(const std::string& addresses, const ChannelSecurity& security = {});

  // Index of the first to answer, asked in their order from `from` on; nullopt when none does within `timeout`.
  std::optional<size_t> FirstToAnswer(size_t from, absl::Duration timeout) const;

  size_t size() const { return channels_.size(); }
  const std::string& address(size_t index) const { return addresses_[index]; }
  const std::shared_ptr<grpc::Channel>& channel(size_t index) const { return channels_[index]; }

 private:
  std::vector<std::string> addresses_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;  // of each
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_SERVER_LIST_H_
