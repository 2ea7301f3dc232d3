// A gateway before a server that wants TLS and tokens, with certificates made on the spot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gateway/gateway.h"
#include "server/access/tenant_file.h"
#include "tests/gateway/gateway_fixture.h"
#include "tests/gateway/http_client.h"
#include "tests/integration/test_server.h"
#include "tests/server/access/made_certificate.h"
#include "tests/server/media/video_judge.h"
#include "threading/clock.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr char kShort[] = R"({"prompt": "a", "seed": 7, "length_chunks": 2, "run_ahead_chunks": 64})";

class GatewayAccessTest : public GatewayTest {
 protected:
  GatewayAccessTest() : GatewayTest(&clock_) {
    const MadeCertificate own = MakeCertificate(absl::Now() + absl::Hours(1));
    const MadeCertificate client = MakeCertificate(absl::Now() + absl::Hours(1));
    const NewToken token = *MakeToken("2026-11-28");
    token_ = token.text;
    ReplaceFile(Path("crt"), own.certificate);
    ReplaceFile(Path("key"), own.key);
    ReplaceFile(Path("client.crt"), client.certificate);
    ReplaceFile(Path("client.key"), client.key);
    ReplaceFile(Path("token"), token.text + "\n");
    EXPECT_TRUE(WriteTenants(Path("json"), {TenantEntry{"acme", {}, {token.stored}}}).ok());
    ServerConfig config = TestConfig();
    config.tls = {Path("crt"), Path("key"), Path("client.crt")};
    config.tokens_file = Path("json");
    server_ = std::make_unique<TestServer>(config);
    config_.servers = {server_->address()};
  }
  ~GatewayAccessTest() override {
    for (const char* each : {"crt", "key", "client.crt", "client.key", "token", "json"}) unlink(Path(each).c_str());
  }
  static std::string Path(const std::string& ending) {
    return absl::StrCat(testing::TempDir(), "gateway_access_", getpid(), ".", ending);
  }
  static ChannelSecurity Everything() {
    ChannelSecurity security;
    security.tls_ca = Path("crt");
    security.tls_certificate = Path("client.crt");
    security.tls_key = Path("client.key");
    security.token_file = Path("token");
    return security;
  }

  absl::Status Start(const ChannelSecurity& security) {
    config_.server_security = security;
    absl::StatusOr<std::unique_ptr<Gateway>> made = Gateway::Create(config_, &clock_);
    if (!made.ok()) return made.status();
    gateway_ = *std::move(made);
    return absl::OkStatus();
  }

  RealClock clock_;
  std::string token_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(GatewayAccessTest, WithAuthorityCertificateAndTokenTheGatewayMakesVideosForWhoHasNoneOfThem) {
  ASSERT_TRUE(Start(Everything()).ok());
  const HttpAnswer started = Ask("POST", "/live", kShort);
  ASSERT_EQ(started.status, 201) << started.body;
  const Json session = Json::parse(started.body, nullptr, false);
  EXPECT_EQ(ProbeVideo(Ask("GET", session["links"]["video"]).body, "mp4").frames.size(), 9u + 12);
}

TEST_F(GatewayAccessTest, AnAuthorizationOfTheRequestGoesToTheServerInPlaceOfTheGatewaysToken) {
  ASSERT_TRUE(Start(Everything()).ok());
  EXPECT_EQ(Ask("GET", "/info", "", "Authorization: Bearer nonsense\r\n").status, 401);
  ChannelSecurity without_token = Everything();
  without_token.token_file.clear();
  ASSERT_TRUE(Start(without_token).ok());
  EXPECT_EQ(Ask("GET", "/info").status, 401);
  EXPECT_EQ(Ask("GET", "/info", "", absl::StrCat("Authorization: Bearer ", token_, "\r\n")).status, 200);
}

TEST_F(GatewayAccessTest, WithoutTlsOrWithoutACertificateOfItsOwnNoServerAnswers) {
  ChannelSecurity plaintext, nameless = Everything();
  nameless.tls_certificate.clear();
  nameless.tls_key.clear();
  for (const ChannelSecurity& security : {plaintext, nameless}) {
    ASSERT_TRUE(Start(security).ok());
    EXPECT_EQ(Ask("GET", "/info").status, 503);
  }
}

TEST_F(GatewayAccessTest, AFileThatIsNotThereEndsTheStartWithItsPath) {
  ChannelSecurity wrong = Everything();
  wrong.tls_ca = Path("nothing");
  const absl::Status status = Start(wrong);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("nothing")));
}

}  // namespace
}  // namespace videodiffcr
