// `videodiffcr-server tokens`: who may call, kept in a file of tenants and hashes (tenant_file.h).
#ifndef VIDEODIFFCR_SERVER_ACCESS_TOKENS_COMMAND_H_
#define VIDEODIFFCR_SERVER_ACCESS_TOKENS_COMMAND_H_

#include <ostream>
#include <string_view>
#include <vector>

namespace videodiffcr {

// The first argument that makes `videodiffcr-server` do this instead of serving.
inline constexpr std::string_view kTokensCommand = "tokens";

// `arguments` come behind that one. The exit status.
int RunTokensCommand(const std::vector<std::string_view>& arguments, std::ostream& out, std::ostream& errors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TOKENS_COMMAND_H_
