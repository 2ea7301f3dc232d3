// Which of the connections that were accepted here are still open, though somebody else closes them.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
#define VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_

#include <sys/types.h>

#include <string>

#include "absl/container/flat_hash_map.h"

namespace videodiffcr {

// One thread at a time. gRPC does not tell when it closes a connection that it was handed. But a socket has a number of
// its own in the kernel (its inode), so a descriptor that is closed, or names another socket by now, shows itself.
class ConnectionTable {
 public:
  enum class Verdict { kAdmit, kFull, kPeerHasTooMany };

  // `max_per_peer` 0: not counted by peer.
  ConnectionTable(int max_connections, int max_per_peer)
      : max_connections_(max_connections), max_per_peer_(max_per_peer) {}

  // Whether one more may come from `peer`. Looks for closed ones only when it would have to refuse.
  Verdict Decide(const std::string& peer);

  // An open socket that was admitted.
  void Add(int socket, const std::string& peer);

  // Forgets those that are closed; how many are open.
  int Sweep();

 private:
  struct Connection {
    ino_t inode = 0;
    std::string peer;
  };
  Verdict Judge(const std::string& peer) const;
  void Forget(absl::flat_hash_map<int, Connection>::iterator connection);

  const int max_connections_;
  const int max_per_peer_;
  absl::flat_hash_map<int, Connection> connections_;  // by descriptor
  absl::flat_hash_map<std::string, int> by_peer_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
