// What --port-file of our programs names: a line per port, as grpc_port=50051, for whoever started them.
#ifndef VIDEODIFFCR_SYSTEM_PORT_FILE_H_
#define VIDEODIFFCR_SYSTEM_PORT_FILE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr {

// Whole or not at all. Unavailable, with the path and the flag, when it cannot be written.
absl::Status WritePortFile(const std::string& path, const std::vector<std::pair<std::string, int>>& ports);

// The port of `key`. NotFound while there is no such file; Internal when it does not name `key` as a port.
absl::StatusOr<int> ReadPortFile(const std::string& path, const std::string& key);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_PORT_FILE_H_
