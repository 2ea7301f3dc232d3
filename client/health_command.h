// `videodiffcr health`: what an image's health check runs.
#ifndef VIDEODIFFCR_CLIENT_HEALTH_COMMAND_H_
#define VIDEODIFFCR_CLIENT_HEALTH_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "command_line/program.h"

namespace videodiffcr {

Subcommand HealthSubcommand();

// Asks the health service at `server`, in plaintext, about `service` ("": the whole server). OK: SERVING. Unavailable
// for any other answer, or none within `timeout`.
absl::Status CheckHealth(const std::string& server, const std::string& service, absl::Duration timeout);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_HEALTH_COMMAND_H_
