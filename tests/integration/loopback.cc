#include "tests/integration/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

bool ConnectToLoopback(int socket, int port) {
  const sockaddr_in address = LoopbackAddress(port);
  return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

int ConnectToLoopback(int port) {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  if (ConnectToLoopback(file, port)) return file;
  close(file);
  return -1;
}

std::string HttpGet(int port, const std::string& path) {
  const int file = ConnectToLoopback(port);
  if (file < 0) return "";
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\n\r\n");
  std::string answer;
  if (write(file, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
    char buffer[65536];
    for (ssize_t got; (got = read(file, buffer, sizeof(buffer))) > 0;) answer.append(buffer, static_cast<size_t>(got));
  }
  close(file);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

int FreeLoopbackPort() {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof(address);
  const bool found = bind(file, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(file);
  return found ? ntohs(address.sin_port) : 0;
}

}  // namespace videodiffcr
