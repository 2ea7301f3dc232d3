// Which of the connections that were accepted here are still open, though somebody else closes them.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
#define VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace videodiffcr {

// One thread at a time. gRPC does not tell when it closes a connection that it was handed. But a socket has a number of
// its own in the kernel (its inode), so a descriptor that is closed, or names another socket by now, shows itself.
class ConnectionTable {
 public:
  enum class Verdict { kAdmit, kFull, kPeerHasTooMany };

  // `max_per_peer` 0: not counted by peer. A connection of which fewer than `silent_bytes` have come has said nothing
  // yet.
  ConnectionTable(int max_connections, int max_per_peer, int silent_bytes = 0)
      : max_connections_(max_connections), max_per_peer_(max_per_peer), silent_bytes_(silent_bytes) {}

  // Whether one more may come from `peer`. Only when it would have to refuse it looks for closed ones, and shuts the
  // oldest down that has said nothing yet: however many are silent, whoever has something to say gets in.
  Verdict Decide(const std::string& peer);

  // Shuts down the oldest that has said nothing yet, if there is one, for whoever closes it to see.
  void ShutOldestSilent();

  // An open socket that was admitted.
  void Add(int socket, const std::string& peer);

  // Forgets those that are closed; how many are open.
  int Sweep();

 private:
  struct Connection {
    ino_t inode = 0;
    std::string peer;
    int64_t number = 0;  // in the order of their coming
  };
  Verdict Judge(const std::string& peer) const;
  void Forget(absl::flat_hash_map<int, Connection>::iterator connection);

  const int max_connections_;
  const int max_per_peer_;
  const int silent_bytes_;
  int64_t next_number_ = 0;
  absl::flat_hash_map<int, Connection> connections_;  // by descriptor
  absl::flat_hash_map<std::string, int> by_peer_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
