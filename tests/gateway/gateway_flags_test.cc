#include "gateway/gateway_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(GatewayFlagsTest, ServersComeByCommasAndByRepeatingTheFlag) {
  const auto line = ParseGatewayCommandLine({"--server=a:1,b:2", "--server", "c:3"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_THAT(line->config.servers, ElementsAre("a:1", "b:2", "c:3"));
  EXPECT_THAT(ParseGatewayCommandLine({})->config.servers, ElementsAre("localhost:50051"));
}

TEST(GatewayFlagsTest, WhomServersBelieveIsSaidAsTheClientSaysItBehindServer) {
  const auto line = ParseGatewayCommandLine(
      {"--server-tls-ca=ca", "--server-tls-certificate=crt", "--server-tls-key=key", "--server-token-file=token"});
  ASSERT_TRUE(line.ok()) << line.status();
  const ChannelSecurity& security = line->config.server_security;
  EXPECT_THAT(
      (std::vector<std::string>{security.tls_ca, security.tls_certificate, security.tls_key, security.token_file}),
      ElementsAre("ca", "crt", "key", "token"));
  EXPECT_FALSE(security.tls);
  EXPECT_TRUE(ParseGatewayCommandLine({"--server-tls"})->config.server_security.tls);
  const auto half = ParseGatewayCommandLine({"--server-tls", "--server-tls-key=key"});
  EXPECT_THAT(std::string(half.status().message()), HasSubstr("--server-tls-certificate and --server-tls-key"));
}

TEST(GatewayFlagsTest, AValueOutOfRangeIsToldByItsFlag) {
  const std::pair<std::string_view, const char*> cases[] = {
      {"--max-viewers=-1", "--max-viewers is -1"},
      {"--max-body-bytes=3", "--max-body-bytes is 3; it must be from 1024 to 67108864"},
      {"--kept-chunks=0", "--kept-chunks is 0"},
      {"--send-timeout=1ms", "--send-timeout is 1ms; it must be from 10ms to 24h"},
      {"--server-patience=0s", "--server-patience is 0"},
      {"--server=nonsense", "--server"},
      {"--server=a:1,", "--server"},
      {"--listen=nonsense", "--listen is 'nonsense'"},
      {"--listen=", "--listen is ''"},
      {"--listen=unix:/path:0", "--listen is 'unix:/path:0'"},
      {"--metrics-listen=:1", "--metrics-listen is ':1'"},
      {"--allow-origin=a.org", "--allow-origin is 'a.org'"},
      {"--allow-origin=https://a/", "--allow-origin is"},
      {"--keep-jobs=1ms", "--keep-jobs is 1ms"},
      {"--keep-jobs=inf", "--keep-jobs is inf; it must be from 1s to 87672h"},
      {"--max-live-sessions=x", "--max-live-sessions is"}};
  for (const auto& [flag, message] : cases) {
    const auto line = ParseGatewayCommandLine({flag});
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument) << flag;
    EXPECT_THAT(std::string(line.status().message()), HasSubstr(message)) << flag;
  }
}

TEST(GatewayFlagsTest, AddressesAndOriginsAsTheHelpShowsThemAreTaken) {
  for (const std::string_view flag :
       {"--listen=[::1]:0", "--listen=0.0.0.0:8080", "--metrics-listen=", "--allow-origin=https://example.org",
        "--allow-origin=http://localhost:3000", "--allow-origin=*", "--allow-origin="}) {
    const auto line = ParseGatewayCommandLine({flag});
    EXPECT_TRUE(line.ok()) << line.status();
  }
}

}  // namespace
}  // namespace videodiffcr
