#include "server/sockets/connection_table.h"

#include <sys/stat.h>

namespace videodiffcr {
namespace {

// 0 for what is closed or no socket.
ino_t InodeOf(int socket) {
  struct stat status = {};
  return fstat(socket, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
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
  return Judge(peer);
}

void ConnectionTable::Add(int socket, const std::string& peer) {
  const auto known = connections_.find(socket);
  if (known != connections_.end()) Forget(known);  // its descriptor could only be given away again once it was closed
  connections_.emplace(socket, Connection{InodeOf(socket), peer});
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
