// A TCP port of our own.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_LISTENING_SOCKET_H_
#define VIDEODIFFCR_SERVER_SOCKETS_LISTENING_SOCKET_H_

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "server/sockets/descriptor.h"

namespace videodiffcr {

struct ListeningSocket {
  Descriptor descriptor;  // does not block
  int port = 0;
  // Of its own end; a wildcard stands for this machine when connected to.
  sockaddr_storage address = {};
  socklen_t address_bytes = sizeof(sockaddr_storage);
};

// Listens on `address` ("host:port", host_port.h). A name stands for its first IPv4 address, or its first IPv6 one when
// it has no other; "[::]" takes IPv4, too. Unavailable with the system's reason.
absl::StatusOr<ListeningSocket> Listen(const std::string& address);

// The next connection, which does not block either; an errno when there is none now.
struct Accepted {
  Descriptor descriptor;
  std::string peer;  // its IP address; empty when the peer is gone already
  std::string name;  // its address and port, as gRPC names the peer of a call: ipv4:127.0.0.1:1234
  int error = 0;
};
Accepted Accept(const ListeningSocket& socket);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_LISTENING_SOCKET_H_
