#include "server/sockets/connection_table.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"

namespace videodiffcr {
namespace {

// 0 for what is closed or no socket.
ino_t InodeOf(int socket) {
  struct stat status = {};
  return fstat(socket, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

struct Traffic {
  int64_t received = 0;
  int64_t sent = 0;  // and acknowledged
};

// Nothing where that is not known.
std::optional<Traffic> TrafficOf(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  const bool known = getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                     size >= offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
  if (!known) return std::nullopt;
  return Traffic{static_cast<int64_t>(info.tcpi_bytes_received), static_cast<int64_t>(info.tcpi_bytes_acked)};
}

// What a client says without a call having to do with it. It confirms what it gets, by 26 bytes for 16 KiB, and pings.
constexpr double kConfirmationShare = 1.0 / 64;
constexpr double kPingBytesPerSecond = 64;

constexpr size_t kMostUnreadBytes = 16 << 20;  // more than a socket takes

}  // namespace

ConnectionTable::Verdict ConnectionTable::Judge(const std::string& peer) const {
  if (static_cast<int>(connections_.size()) >= limits_.max_connections) return Verdict::kFull;
  const auto of_peer = by_peer_.find(peer);
  const bool too_many =
      limits_.max_per_peer > 0 && of_peer != by_peer_.end() && of_peer->second >= limits_.max_per_peer;
  return too_many ? Verdict::kPeerHasTooMany : Verdict::kAdmit;
}

ConnectionTable::Verdict ConnectionTable::Decide(const std::string& peer) {
  if (Judge(peer) == Verdict::kAdmit) return Verdict::kAdmit;
  Sweep();
  if (Judge(peer) == Verdict::kFull) MakeRoom();
  return Judge(peer);
}

void ConnectionTable::MakeRoom() {
  auto first = connections_.end();
  std::pair<bool, int64_t> first_rank;
  for (auto each = connections_.begin(); each != connections_.end(); ++each) {
    const ConnectionUse use = uses_->Of(each->second.number);
    if (use.calls > 0) continue;
    const std::optional<Traffic> traffic = TrafficOf(each->first);
    const std::pair<bool, int64_t> rank = {!traffic.has_value() || traffic->received >= limits_.silent_bytes,
                                           use.idle_since};
    if (first != connections_.end() && first_rank < rank) continue;
    first = each;
    first_rank = rank;
  }
  if (first != connections_.end()) Shut(first);
}

void ConnectionTable::Add(int socket, const std::string& peer, const std::string& name) {
  const auto known = connections_.find(socket);
  if (known != connections_.end()) Forget(known);  // its descriptor could only be given away again once it was closed
  Connection connection;
  connection.inode = InodeOf(socket);
  connection.peer = peer;
  const auto of_peer = by_peer_.try_emplace(peer, 0).first;
  int64_t number = 0;
  // All or nothing: there may be no memory for its place.
  absl::Cleanup take_back = [&] {
    uses_->Remove(number);
    if (of_peer->second == 0) by_peer_.erase(of_peer);
  };
  connection.number = number = uses_->Add(name);
  connections_.emplace(socket, std::move(connection));
  ++of_peer->second;
  std::move(take_back).Cancel();
}

int ConnectionTable::Sweep() {
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    const auto current = connection++;
    if (InodeOf(current->first) != current->second.inode) Forget(current);
  }
  return static_cast<int>(connections_.size());
}

ConnectionTable::Findings ConnectionTable::ShutWhatIsUnexplained(absl::Duration elapsed) {
  Findings findings;
  Sweep();
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    const auto current = connection++;
    const Balance balance = Look(current->first, &current->second, elapsed);
    findings.look_again = findings.look_again || balance == Balance::kDoubtful;
    if (balance != Balance::kUnexplained) continue;
    ++findings.shut;
    findings.peer = current->second.peer;
    Cut(current);
  }
  return findings;
}

ConnectionTable::Balance ConnectionTable::Look(int socket, Connection* connection, absl::Duration elapsed) const {
  const std::optional<Traffic> traffic = TrafficOf(socket);
  if (!traffic.has_value()) return Balance::kExplained;
  const ConnectionUse use = uses_->Of(connection->number);
  const auto received = static_cast<double>(traffic->received - std::exchange(connection->received, traffic->received));
  const auto sent = static_cast<double>(traffic->sent - std::exchange(connection->sent, traffic->sent));
  const double explained = sent * kConfirmationShare + absl::ToDoubleSeconds(elapsed) * kPingBytesPerSecond;
  // HTTP/2 lets nothing come between the pieces of a header: whoever finishes something is not in one without an end.
  const bool news = use.news != std::exchange(connection->news, use.news);
  connection->unexplained = news ? 0 : std::max(0.0, connection->unexplained + received - explained);
  const int64_t on_their_way =
      use.silent_calls * limits_.first_message_bytes + (use.calls - use.silent_calls) * limits_.later_message_bytes;
  if (connection->unexplained > static_cast<double>(kUnexplainedBytes + on_their_way)) return Balance::kUnexplained;
  // The sooner it is looked at again, the less comes between the limit and the end.
  const double recent = std::max(connection->unexplained, received);
  return recent > static_cast<double>(kUnexplainedBytes) / 4 ? Balance::kDoubtful : Balance::kExplained;
}

// Its owner sees an end and closes it. Should it have closed it since the sweep, this ends nothing or, once in a very
// long while, the connection that took its descriptor.
void ConnectionTable::Shut(Connections::iterator connection) {
  (void)shutdown(connection->first, SHUT_RDWR);
  Forget(connection);
}

void ConnectionTable::Cut(Connections::iterator connection) {
  const int socket = connection->first;
  // Closed, it is reset: a peer whose bytes are not taken would wait for minutes.
  const linger at_once = {1, 0};
  (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  (void)shutdown(socket, SHUT_RDWR);
  // What has come already is not worth its owner's reading.
  (void)recv(socket, nullptr, kMostUnreadBytes, MSG_TRUNC | MSG_DONTWAIT);
  Forget(connection);
}

void ConnectionTable::Forget(Connections::iterator connection) {
  uses_->Remove(connection->second.number);
  const auto of_peer = by_peer_.find(connection->second.peer);
  if (--of_peer->second == 0) by_peer_.erase(of_peer);
  connections_.erase(connection);
}

}  // namespace videodiffcr
