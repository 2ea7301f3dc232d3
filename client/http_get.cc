#include "client/http_get.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace videodiffcr {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

constexpr size_t kMaxBytes = size_t{16} << 20;

absl::Status Failed(const std::string& address, const std::string& why) {
  return absl::UnavailableError(absl::StrCat("no metrics from ", address, ": ", why));
}

bool IsReady(int socket, short events, absl::Duration patience) {
  pollfd watched = {socket, events, 0};
  return poll(&watched, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

// A connected socket, or -1 with errno.
int ConnectTo(const addrinfo& to, absl::Duration patience) {
  const int number = socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (number < 0) return -1;
  if (connect(number, to.ai_addr, to.ai_addrlen) != 0) {
    int error = errno;
    if (error == EINPROGRESS) {
      error = ETIMEDOUT;
      socklen_t size = sizeof(error);
      if (IsReady(number, POLLOUT, patience)) getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
      close(number);
      errno = error;
      return -1;
    }
  }
  return number;
}

absl::StatusOr<std::string> Exchange(int socket, const std::string& request, absl::Duration patience) {
  if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError("it takes no request");
  }
  std::string answer;
  while (answer.size() < kMaxBytes) {
    if (!IsReady(socket, POLLIN, patience)) return absl::UnavailableError("it does not answer");
    char buffer[16384];
    const ssize_t got = recv(socket, buffer, sizeof(buffer), 0);
    if (got == 0) return answer;
    if (got < 0) return absl::UnavailableError(std::strerror(errno));
    answer.append(buffer, static_cast<size_t>(got));
  }
  return absl::UnavailableError("it answers more than 16 MiB");
}

}  // namespace

absl::StatusOr<std::string> HttpGetPage(const std::string& address, const std::string& path, absl::Duration patience) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return Failed(address, "it is not host:port");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  if (const int error = getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &raw); error != 0) {
    return Failed(address, gai_strerror(error));
  }
  const AddressList found(raw, freeaddrinfo);
  int socket = -1;
  for (const addrinfo* each = raw; each != nullptr && socket < 0; each = each->ai_next) {
    socket = ConnectTo(*each, patience);
  }
  if (socket < 0) return Failed(address, std::strerror(errno));
  const absl::Cleanup closer = [socket] { close(socket); };
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", address, "\r\nConnection: close\r\n\r\n");
  const absl::StatusOr<std::string> answer = Exchange(socket, request, patience);
  if (!answer.ok()) return Failed(address, std::string(answer.status().message()));
  const size_t body = answer->find("\r\n\r\n");
  if (!absl::StartsWith(*answer, "HTTP/1.1 200 ") || body == std::string::npos) {
    return Failed(address, absl::StrCat("it answers ", answer->substr(0, answer->find('\r'))));
  }
  return answer->substr(body + 4);
}

}  // namespace videodiffcr
