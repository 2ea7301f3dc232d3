#include "server/sockets/connection_table.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstddef>

namespace videodiffcr {
namespace {

// 0 for what is closed or no socket.
ino_t InodeOf(int socket) {
  struct stat status = {};
  return fstat(socket, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

// How many have come from the peer; many where that is not known.
uint64_t BytesFrom(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  const bool known = getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                     size >= offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
  return known ? info.tcpi_bytes_received : UINT64_MAX;
}

}  // namespace

ConnectionTable::Verdict ConnectionTable::Judge(const std::string& peer) const {
  if (static_cast<int>(connections_.size()) >= max_connections_) return Verdict::kFull;
  const auto of_peer = by_peer_.find(peer);
  const bool too_many = max_per_peer_ > 0 && of_peer != by_peer_.end() && of_peer->second >= max_per_peer_;
  return too_many ? Verdict::kPeerHasTooMany : Verdict::kAdmit;
}

ConnectionTable::Verdict ConnectionTable::Decide(const std::string& peer) {
  if (Judge(peer) == Verdict::kAdmit) return Verdict::kAdmit;
  Sweep();
  if (Judge(peer) == Verdict::kFull) ShutOldestSilent();
  return Judge(peer);
}

void ConnectionTable::ShutOldestSilent() {
  auto oldest = connections_.end();
  for (auto each = connections_.begin(); each != connections_.end(); ++each) {
    if (oldest != connections_.end() && oldest->second.number < each->second.number) continue;
    if (BytesFrom(each->first) < static_cast<uint64_t>(silent_bytes_)) oldest = each;
  }
  if (oldest == connections_.end()) return;
  // Its owner sees an end and closes it. Should it have closed it since the sweep, this ends nothing or, once in a very
  // long while, the connection that took its descriptor.
  (void)shutdown(oldest->first, SHUT_RDWR);
  Forget(oldest);
}

void ConnectionTable::Add(int socket, const std::string& peer) {
  const auto known = connections_.find(socket);
  if (known != connections_.end()) Forget(known);  // its descriptor could only be given away again once it was closed
  connections_.emplace(socket, Connection{InodeOf(socket), peer, next_number_++});
  ++by_peer_[peer];
}

int ConnectionTable::Sweep() {
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    const auto current = connection++;
    if (InodeOf(current->first) != current->second.inode) Forget(current);
  }
  return static_cast<int>(connections_.size());
}

void ConnectionTable::Forget(absl::flat_hash_map<int, Connection>::iterator connection) {
  const auto of_peer = by_peer_.find(connection->second.peer);
  if (--of_peer->second == 0) by_peer_.erase(of_peer);
  connections_.erase(connection);
}

}  // namespace videodiffcr
