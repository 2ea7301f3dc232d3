#include "server/sockets/port_probe.h"

#include <poll.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/sockets/descriptor.h"
#include "server/sockets/tls_greeting.h"

namespace videodiffcr {
namespace {

// RFC 9113 section 3.4: the client's preface ends with a SETTINGS frame, and the server's first frame is one, too.
constexpr absl::string_view kGreeting("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kFrameTypeAt = 3;
constexpr char kSettings = 4;
// RFC 8446 section 5.1: what answers a ClientHello is a handshake, whatever it then says.
constexpr char kTlsHandshake = 22;

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Whether it is ready in time.
bool WaitFor(const Descriptor& socket, short events, absl::Duration patience) {
  pollfd watched = {socket.get(), events, 0};
  return poll(&watched, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

absl::Status Connect(const Descriptor& socket, const OwnPort& port, absl::Duration patience) {
  const auto* address = reinterpret_cast<const sockaddr*>(&port.address);
  if (connect(socket.get(), address, port.address_bytes) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return Failed("no connection to the own port");
  if (!WaitFor(socket, POLLOUT, patience)) return absl::UnavailableError("nobody takes connections on the own port");
  socklen_t size = sizeof(errno);
  int error = 0;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  errno = error;
  return error == 0 ? absl::OkStatus() : Failed("no connection to the own port");
}

}  // namespace

absl::Status ProbeOwnPort(const OwnPort& port, absl::Duration patience) {
  const Descriptor socket(::socket(port.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Failed("no socket");
  if (absl::Status status = Connect(socket, port, patience); !status.ok()) return status;
  const absl::Status closed = port.may_close_at_once
                                  ? absl::OkStatus()
                                  : absl::ResourceExhaustedError("connections to the own port are closed at once");
  const std::string greeting = port.tls ? TlsGreeting() : std::string(kGreeting);
  if (send(socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) < 0) return closed;
  std::string answer;
  while (answer.size() < kFrameHeaderBytes) {
    if (!WaitFor(socket, POLLIN, patience)) return absl::UnavailableError("the own port does not answer");
    char buffer[kFrameHeaderBytes];
    const ssize_t got = recv(socket.get(), buffer, sizeof(buffer), 0);
    if (got <= 0) return closed;
    answer.append(buffer, static_cast<size_t>(got));
  }
  if (port.tls) {
    return answer[0] == kTlsHandshake ? absl::OkStatus() : absl::UnavailableError("the own port does not speak TLS");
  }
  if (answer[kFrameTypeAt] != kSettings) return absl::UnavailableError("the own port does not speak HTTP/2");
  return absl::OkStatus();
}

}  // namespace videodiffcr
