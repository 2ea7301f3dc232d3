#include "server/sockets/listening_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/sockets/host_port.h"

namespace videodiffcr {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const HostPort& wanted) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(wanted.host.c_str(), absl::StrCat(wanted.port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  return AddressList(found, freeaddrinfo);
}

const addrinfo& PreferIpv4(const addrinfo* found) {
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) return *each;
  }
  return *found;
}

absl::Status SystemError() { return absl::UnavailableError(std::strerror(errno)); }

int PortOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string HostOf(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST] = "";
  getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST);
  return host;
}

std::string Ipv4Name(const in_addr& address, in_port_t port) {
  char host[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &address, host, sizeof(host));
  return absl::StrCat("ipv4:", host, ":", ntohs(port));
}

// As a part of a URI, in which brackets and the per cent sign before a scope are written out.
std::string Ipv6Name(const sockaddr_in6& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
    in_addr mapped = {};
    std::memcpy(&mapped, &address.sin6_addr.s6_addr[12], sizeof(mapped));
    return Ipv4Name(mapped, address.sin6_port);
  }
  char host[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &address.sin6_addr, host, sizeof(host));
  const std::string scope = address.sin6_scope_id == 0 ? "" : absl::StrCat("%25", address.sin6_scope_id);
  return absl::StrCat("ipv6:%5B", host, scope, "%5D:", ntohs(address.sin6_port));
}

std::string NameOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) return Ipv6Name(reinterpret_cast<const sockaddr_in6&>(address));
  const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address);
  return Ipv4Name(ipv4.sin_addr, ipv4.sin_port);
}

}  // namespace

absl::StatusOr<ListeningSocket> Listen(const std::string& address) {
  const std::optional<HostPort> wanted = ParseHostPort(address);
  if (!wanted.has_value()) return absl::UnavailableError("it is not host:port");
  const absl::StatusOr<AddressList> found = Resolve(*wanted);
  if (!found.ok()) return found.status();
  const addrinfo& chosen = PreferIpv4(found->get());
  ListeningSocket socket{Descriptor(::socket(chosen.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  const int number = socket.descriptor.get();
  if (number < 0) return SystemError();
  const int on = 1, off = 0;
  setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // a restart need not wait for old connections
  if (chosen.ai_family == AF_INET6) setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(number, chosen.ai_addr, chosen.ai_addrlen) != 0 || listen(number, SOMAXCONN) != 0) return SystemError();
  if (getsockname(number, reinterpret_cast<sockaddr*>(&socket.address), &socket.address_bytes) != 0)
    return SystemError();
  socket.port = PortOf(socket.address);
  return socket;
}

Accepted Accept(const ListeningSocket& socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  Accepted accepted;
  accepted.descriptor = Descriptor(
      accept4(socket.descriptor.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.descriptor.valid()) {
    accepted.error = errno;
  } else {
    accepted.peer = HostOf(address, size);
    accepted.name = NameOf(address);
  }
  return accepted;
}

}  // namespace videodiffcr
