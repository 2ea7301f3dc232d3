// How many files and sockets the process may have open.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_LIMIT_H_
#define VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_LIMIT_H_

#include "absl/status/statusor.h"

namespace videodiffcr {

// The soft limit becomes the hard one, which is what the system's owner allows; by default they differ for the sake of
// programs that use select().
void RaiseDescriptorLimit();

// Connections that the process may hold beside what it has open now and a reserve for what it still opens, `wanted` at
// most. Unavailable when not even one is left.
absl::StatusOr<int> ConnectionsThatFit(int wanted);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_LIMIT_H_
