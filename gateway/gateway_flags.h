// The command line of videodiffcr-gateway.
#ifndef VIDEODIFFCR_GATEWAY_GATEWAY_FLAGS_H_
#define VIDEODIFFCR_GATEWAY_GATEWAY_FLAGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/gateway.h"

namespace videodiffcr {

struct GatewayCommandLine {
  GatewayConfig config;
  std::string answer;  // what --help or --version prints, instead of anything else; mostly empty
};

// `arguments` come without the program's name. InvalidArgument names the flag.
absl::StatusOr<GatewayCommandLine> ParseGatewayCommandLine(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_GATEWAY_FLAGS_H_
