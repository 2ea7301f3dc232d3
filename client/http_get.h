// One page over HTTP: the metrics of a server.
#ifndef VIDEODIFFCR_CLIENT_HTTP_GET_H_
#define VIDEODIFFCR_CLIENT_HTTP_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

// The body of http://`address``path`, when the answer is 200; 16 MiB at most. `address` is host:port. Unavailable with
// what went wrong; each step may take `patience`.
absl::StatusOr<std::string> HttpGetPage(const std::string& address, const std::string& path, absl::Duration patience);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_HTTP_GET_H_
