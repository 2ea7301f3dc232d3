// Addresses as flags name them.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_HOST_PORT_H_
#define VIDEODIFFCR_SERVER_SOCKETS_HOST_PORT_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

struct HostPort {
  std::string host;  // a name or an IP address, an IPv6 one without its brackets
  int port = 0;      // 0: any that is free
};

// "localhost:80", "127.0.0.1:0", "[::1]:80". Nothing for all else: lists, paths of unix sockets, schemes such as
// "ipv4:", an IPv6 address without brackets.
std::optional<HostPort> ParseHostPort(absl::string_view address);

// InvalidArgument naming `field` and `address` when that is not one to listen on.
absl::Status CheckListenAddress(absl::string_view field, absl::string_view address);

// "10.1.2.3:80", "[::1]:80": as inet_ntop writes it, so that it can be compared. InvalidArgument when `ip` is no IP
// address; it begins with "advertised_ip", the one field that is read by it.
absl::StatusOr<std::string> JoinIpPort(const std::string& ip, int port);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_HOST_PORT_H_
