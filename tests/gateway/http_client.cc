#include "tests/gateway/http_client.h"

#include <sys/socket.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/loopback.h"

namespace videodiffcr {

HttpClient::HttpClient(int port) : socket_(ConnectToLoopback(port)) {}

void HttpClient::Send(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

void HttpClient::Request(const std::string& method, const std::string& target, const std::string& body,
                         const std::string& more_headers) {
  const std::string length =
      method == "GET" || method == "HEAD" ? "" : absl::StrCat("Content-Length: ", body.size(), "\r\n");
  Send(absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: localhost\r\n", length, more_headers, "\r\n", body));
}

bool HttpClient::Fill() {
  char bytes[65536];
  const ssize_t count = recv(socket_.get(), bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

std::string HttpClient::ReadLine() {
  size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return "";
  }
  const std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string HttpClient::ReadBytes(size_t count) {
  while (buffer_.size() < count && Fill()) {
  }
  const std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, bytes.size());
  return bytes;
}

HttpAnswer HttpClient::ReadHead() {
  HttpAnswer answer;
  const std::string first = ReadLine();
  if (first.size() > 12) answer.status = std::atoi(first.c_str() + 9);
  for (std::string line = ReadLine(); !line.empty(); line = ReadLine()) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos)
      answer.headers[absl::AsciiStrToLower(line.substr(0, colon))] = line.substr(colon + 2);
  }
  return answer;
}

std::string HttpClient::ReadChunk() {
  const size_t size = std::strtoul(ReadLine().c_str(), nullptr, 16);
  const std::string chunk = ReadBytes(size);
  ReadLine();
  return chunk;
}

HttpAnswer HttpClient::ReadAnswer() {
  HttpAnswer answer = ReadHead();
  if (answer.headers.count("content-length") > 0) {
    answer.body = ReadBytes(std::strtoul(answer.headers["content-length"].c_str(), nullptr, 10));
  } else if (answer.headers["transfer-encoding"] == "chunked") {
    for (std::string chunk = ReadChunk(); !chunk.empty(); chunk = ReadChunk()) answer.body += chunk;
  } else if (answer.status != 204) {
    while (Fill()) {
    }
    answer.body = std::move(buffer_);
  }
  return answer;
}

bool HttpClient::WaitForEnd() {
  while (Fill()) buffer_.clear();
  return true;
}

HttpAnswer Call(int port, const std::string& method, const std::string& target, const std::string& body,
                const std::string& more_headers) {
  HttpClient client(port);
  client.Request(method, target, body, more_headers);
  return client.ReadAnswer();
}

}  // namespace videodiffcr
