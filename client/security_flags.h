// The flags of ChannelSecurity.
#ifndef VIDEODIFFCR_CLIENT_SECURITY_FLAGS_H_
#define VIDEODIFFCR_CLIENT_SECURITY_FLAGS_H_

#include <string>

#include "client/channel_security.h"
#include "command_line/command.h"

namespace videodiffcr {

// They write to `security`, which must outlive `command`. `prefix` comes before each name: "server-" makes them
// --server-tls-ca and so on.
void AddSecurityFlags(ChannelSecurity* security, Command* command, const std::string& prefix = "");

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_SECURITY_FLAGS_H_
