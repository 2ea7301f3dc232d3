#include "server/metrics/http_responder.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr int kStarvedMilliseconds = 100;  // between two tries when the system has no descriptor left

bool MustWait(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR); }

}  // namespace

HttpResponder::HttpResponder(ListeningSocket socket, const Options& options, Answer answer)
    : socket_(std::move(socket)), options_(options), answer_(std::move(answer)) {}

absl::StatusOr<std::unique_ptr<HttpResponder>> HttpResponder::Create(ListeningSocket socket, const Options& options,
                                                                     Answer answer) {
  auto responder = absl::WrapUnique(new HttpResponder(std::move(socket), options, std::move(answer)));
  const absl::Status started = responder->thread_.Start([raw = responder.get()] { raw->Run(); });
  if (!started.ok()) return started;
  return responder;
}

void HttpResponder::Run() {
  std::vector<pollfd> watched;
  while (true) {
    watched = {{thread_.leave(), POLLIN, 0}, {socket_.descriptor.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) {
      const bool sends = connection.answered() && !connection.draining();
      watched.push_back({connection.socket.get(), static_cast<short>(sends ? POLLOUT : POLLIN), 0});
    }
    poll(watched.data(), watched.size(), MillisecondsToNextDeadline());
    if (watched[0].revents != 0) return;
    const Time now = std::chrono::steady_clock::now();
    size_t index = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); ++index) {
      const auto current = connection++;
      const bool over = watched[index].revents != 0 ? !Advance(&*current) : now >= current->deadline;
      if (over || now >= current->deadline) connections_.erase(current);
    }
    if (watched[1].revents != 0) AcceptSome();
  }
}

int HttpResponder::MillisecondsToNextDeadline() const {
  if (connections_.empty()) return -1;
  const auto first = std::min_element(connections_.begin(), connections_.end(),
                                      [](const auto& a, const auto& b) { return a.deadline < b.deadline; });
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void HttpResponder::AcceptSome() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Accepted accepted = Accept(socket_);
    if (accepted.descriptor.valid()) {
      if (static_cast<int>(connections_.size()) >= options_.max_connections) connections_.pop_front();
      Connection& connection = connections_.emplace_back();
      connection.socket = std::move(accepted.descriptor);
      connection.deadline = std::chrono::steady_clock::now() + options_.patience;
      // As a rule the request is there already.
      if (!Advance(&connection)) connections_.pop_back();
    } else if (accepted.error == EMFILE || accepted.error == ENFILE) {
      if (!connections_.empty()) {
        connections_.pop_front();  // its descriptor is what the next one needs
        continue;
      }
      poll(nullptr, 0, kStarvedMilliseconds);  // others hold them all; the port stays readable meanwhile
      return;
    } else if (accepted.error == EAGAIN || accepted.error == EWOULDBLOCK || accepted.error == ENOMEM ||
               accepted.error == ENOBUFS) {
      return;
    }
  }
}

bool HttpResponder::Advance(Connection* connection) const {
  if (!connection->answered() || connection->draining()) return Receive(connection);
  return Send(connection);
}

bool HttpResponder::Receive(Connection* connection) const {
  char buffer[4096];
  const ssize_t got = recv(connection->socket.get(), buffer, sizeof(buffer), 0);
  if (got <= 0) return MustWait(got);
  if (connection->draining()) return true;  // what comes behind a request is of no interest
  absl::StatusOr<std::optional<std::string>> answer =
      Guarded("answering", [&]() -> absl::StatusOr<std::optional<std::string>> {
        connection->received.append(buffer, static_cast<size_t>(got));
        return answer_(connection->received);
      });
  if (!answer.ok()) return false;
  if (!answer->has_value()) return true;
  connection->to_send = **std::move(answer);
  return Send(connection);
}

bool HttpResponder::Send(Connection* connection) const {
  const ssize_t sent = send(connection->socket.get(), connection->to_send.data() + connection->sent,
                            connection->to_send.size() - connection->sent, MSG_NOSIGNAL);
  if (sent < 0) return MustWait(sent);
  connection->sent += static_cast<size_t>(sent);
  // Until the peer closes its side, too: a close before it has read all would throw away what it has not.
  if (connection->draining()) shutdown(connection->socket.get(), SHUT_WR);
  return true;
}

}  // namespace videodiffcr
