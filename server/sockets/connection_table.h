// Which of the connections that were accepted here are still open, though somebody else closes them, and which have to
// be closed.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
#define VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "server/sockets/connection_use.h"

namespace videodiffcr {

// One thread at a time. gRPC does not tell when it closes a connection that it was handed. But a socket has a number of
// its own in the kernel (its inode), so a descriptor that is closed, or names another socket by now, shows itself.
class ConnectionTable {
 public:
  enum class Verdict { kAdmit, kFull, kPeerHasTooMany };

  struct Limits {
    int max_connections = 0;
    int max_per_peer = 0;  // 0: not counted by peer
    // A connection of which fewer bytes have come has said nothing yet.
    int silent_bytes = 0;
    // How large messages of calls that matter may be.
    int64_t first_message_bytes = 0;
    int64_t later_message_bytes = 0;
  };

  // What may come of a connection beside the messages of its calls, since something of it came to its end: the headers
  // of calls, and what is still on the way to a call that has ended.
  static constexpr int64_t kUnexplainedBytes = 256 << 10;

  // `uses` outlives the table.
  ConnectionTable(const Limits& limits, ConnectionUses* uses) : limits_(limits), uses_(uses) {}

  // Whether one more may come from `peer`. Only when it would have to refuse it looks for closed ones, and makes room:
  // however many have nothing to do, whoever has gets in.
  Verdict Decide(const std::string& peer);

  // Shuts one down that has no call, for whoever closes it to see, if there is one: the oldest that has said nothing
  // yet, or else the one that has been without a call for longest.
  void MakeRoom();

  // An open socket that was admitted. `name` is what its calls name it.
  void Add(int socket, const std::string& peer, const std::string& name);

  // Forgets those that are closed; how many are open.
  int Sweep();

  // Shuts down those of which much more has come than their calls and what was sent to them explain, such as a header
  // without an end. `elapsed`: since it last looked.
  struct Findings {
    int shut = 0;
    std::string peer;         // one of theirs
    bool look_again = false;  // so much has come of one that it is to be looked at soon
  };
  Findings ShutWhatIsUnexplained(absl::Duration elapsed);

 private:
  struct Connection {
    ino_t inode = 0;
    std::string peer;
    int64_t number = 0;  // in the order of their coming; uses_' one
    // When it was last looked at.
    int64_t received = 0;
    int64_t sent = 0;
    int64_t news = 0;
    double unexplained = 0;
  };
  using Connections = std::map<int, Connection>;  // by descriptor
  enum class Balance { kExplained, kDoubtful, kUnexplained };
  Verdict Judge(const std::string& peer) const;
  Balance Look(int socket, Connection* connection, absl::Duration elapsed) const;
  // Leaves what has come to be read.
  void Shut(Connections::iterator connection);
  // Does not.
  void Cut(Connections::iterator connection);
  void Forget(Connections::iterator connection);

  const Limits limits_;
  ConnectionUses* const uses_;
  Connections connections_;
  std::map<std::string, int, std::less<>> by_peer_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_CONNECTION_TABLE_H_
