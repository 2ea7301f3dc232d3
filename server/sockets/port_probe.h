// Whether anybody who connects is served: the question that a flag in memory cannot answer.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_PORT_PROBE_H_
#define VIDEODIFFCR_SERVER_SOCKETS_PORT_PROBE_H_

#include <sys/socket.h>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace videodiffcr {

struct OwnPort {
  sockaddr_storage address = {};  // what the socket listens on; a wildcard stands for this machine
  socklen_t address_bytes = 0;
  bool tls = false;  // TLS answers there, and HTTP/2 only behind it
  // A connection that is taken and closed at once is a good sign, too: limits for each peer may be in force, and this
  // machine be at its.
  bool may_close_at_once = false;
};

// Connects as a stranger would, and greets in HTTP/2, or in TLS. OK when the greeting is returned; ResourceExhausted
// when the connection is taken and closed at once, as where all places are; Unavailable with what happened instead,
// after `patience` at the latest for each step.
absl::Status ProbeOwnPort(const OwnPort& port, absl::Duration patience);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_PORT_PROBE_H_
