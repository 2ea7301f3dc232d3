// Certificates, tokens, tenants and the port for probes, over real sockets with the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/health_command.h"
#include "client/video_client.h"
#include "server/access/tenant_file.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"
#include "tests/server/access/made_certificate.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

// Asks until `holds`, since whoever reads files again tells nobody.
template <typename Condition>
bool Eventually(const Condition& holds) {
  for (const absl::Time deadline = absl::Now() + kPatience; !holds();) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string TemporaryPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "access_", getpid(), name);
}

// GetServerInfo, which needs no session. `authorization` empty: none is sent.
grpc::Status Ask(const std::shared_ptr<grpc::Channel>& connection, const std::string& authorization = "") {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  v1::GetServerInfoResponse response;
  return v1::VideoGenerationService::NewStub(connection)->GetServerInfo(&context, {}, &response);
}

class TlsTest : public testing::Test {
 protected:
  TlsTest() : server_pair_(MakeCertificate(absl::Now() + absl::Hours(1))) {
    files_ = {TemporaryPath(".crt"), TemporaryPath(".key"), ""};
    Write(server_pair_);
  }
  ~TlsTest() override {
    for (const std::string& path : {files_.certificate, files_.key, files_.client_ca}) unlink(path.c_str());
  }
  void Write(const MadeCertificate& pair) {
    ReplaceFile(files_.key, pair.key);
    ReplaceFile(files_.certificate, pair.certificate);
  }
  ServerConfig Config() const {
    ServerConfig config = TestConfig();
    config.tls = files_;
    config.upkeep_interval = absl::Milliseconds(10);
    return config;
  }
  // A connection of its own by a client that trusts `authority`, with `own` as its certificate.
  static std::shared_ptr<grpc::Channel> Connect(int port, const std::string& authority,
                                                const MadeCertificate& own = {}) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                     grpc::SslCredentials({authority, own.key, own.certificate}), arguments);
  }

  CertificateFiles files_;
  const MadeCertificate server_pair_;
};

TEST_F(TlsTest, ACertificateServesWhoTrustsItAndPlaintextIsNotAnswered) {
  TestServer server(Config());
  const auto trusting = Connect(server.server().port(), server_pair_.certificate);
  EXPECT_TRUE(Ask(trusting).ok());
  EXPECT_TRUE(TestStream(trusting, SmallConfig(2)).status().ok());
  EXPECT_FALSE(Ask(server.NewConnection()).ok());
  const MadeCertificate stranger = MakeCertificate(absl::Now() + absl::Hours(1));
  EXPECT_FALSE(Ask(Connect(server.server().port(), stranger.certificate)).ok());
}

TEST_F(TlsTest, WhoConnectsInPlaintextIsAdvisedOfTls) {
  TestServer server(Config());
  const auto client = VideoClient::Connect(absl::StrCat("127.0.0.1:", server.server().port()), absl::Milliseconds(100));
  EXPECT_THAT(std::string(client.status().message()), HasSubstr("wants --tls or --tls-ca"));
}

TEST_F(TlsTest, ARenewedCertificateIsServedWithoutARestartAndOpenConnectionsStay) {
  TestServer server(Config());
  const auto open = Connect(server.server().port(), server_pair_.certificate);
  ASSERT_TRUE(Ask(open).ok());
  const MadeCertificate renewed = MakeCertificate(absl::Now() + absl::Hours(2));
  Write(renewed);
  EXPECT_TRUE(Eventually([&] { return Ask(Connect(server.server().port(), renewed.certificate)).ok(); }));
  EXPECT_TRUE(Ask(open).ok());
}

// Each file alone is what it is when somebody's renewal goes wrong halfway.
TEST_F(TlsTest, WhileTheFilesCannotBeUsedWhatWasReadBeforeServesOn) {
  const MadeCertificate client = MakeCertificate(absl::Now() + absl::Hours(1));
  files_.client_ca = TemporaryPath(".ca");
  ReplaceFile(files_.client_ca, client.certificate);
  ServerConfig config = Config();
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  const auto ask = [&](const MadeCertificate& own) {
    return Ask(Connect(server.server().port(), server_pair_.certificate, own)).ok();
  };
  const MadeCertificate expired = MakeCertificate(absl::Now() - absl::Hours(1));
  const MadeCertificate stranger = MakeCertificate(absl::Now() + absl::Hours(1));
  struct Wrong {
    MadeCertificate pair;
    std::string authorities;
  };
  double complaints = 0;
  for (const Wrong& wrong : {Wrong{{server_pair_.certificate, stranger.key}, client.certificate},
                             Wrong{{"no certificate", server_pair_.key}, client.certificate},
                             Wrong{expired, client.certificate}, Wrong{server_pair_, "no certificate"}}) {
    ReplaceFile(files_.client_ca, wrong.authorities);
    Write(wrong.pair);
    ASSERT_TRUE(Eventually([&] { return server.Metric("videodiffcr_access_failed_reloads_total") > complaints; }));
    complaints = *server.Metric("videodiffcr_access_failed_reloads_total");
    EXPECT_TRUE(ask(client)) << wrong.pair.certificate;
    EXPECT_FALSE(ask(stranger)) << wrong.pair.certificate;
    EXPECT_FALSE(ask({})) << wrong.pair.certificate;
  }
}

TEST_F(TlsTest, WithAuthoritiesOfClientsWhoHasNoCertificateOfTheirsIsRefused) {
  const MadeCertificate client = MakeCertificate(absl::Now() + absl::Hours(1));
  files_.client_ca = TemporaryPath(".ca");
  ReplaceFile(files_.client_ca, client.certificate);
  TestServer server(Config());
  const int port = server.server().port();
  EXPECT_TRUE(Ask(Connect(port, server_pair_.certificate, client)).ok());
  EXPECT_FALSE(Ask(Connect(port, server_pair_.certificate)).ok());
  const MadeCertificate stranger = MakeCertificate(absl::Now() + absl::Hours(1));
  EXPECT_FALSE(Ask(Connect(port, server_pair_.certificate, stranger)).ok());
}

TEST_F(TlsTest, TheServerReachesItsOwnPortAndTellsWhenTheCertificateExpires) {
  ServerConfig config = Config();
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  EXPECT_GT(server.Metric("videodiffcr_tls_certificate_expiry_timestamp_seconds"), absl::ToUnixSeconds(absl::Now()));
  // Five turns of the upkeep and a probe; `ready` would fall to 0 if it failed.
  EXPECT_FALSE(Eventually([&, end = absl::Now() + absl::Milliseconds(500)] {
                 return server.Metric("videodiffcr_ready") == 0.0 || absl::Now() > end;
               }) &&
               server.Metric("videodiffcr_ready") == 0.0);
}

TEST_F(TlsTest, AnExpiredCertificateIsRefusedAtTheStart) {
  Write(MakeCertificate(absl::Now() - absl::Hours(1)));
  RealClock clock;
  const absl::Status status = Server::Create(Config(), &clock).status();
  EXPECT_THAT(status.message(), HasSubstr("has expired"));
}

class TokenTest : public testing::Test {
 protected:
  TokenTest() : path_(TemporaryPath(".json")) {}
  ~TokenTest() override { unlink(path_.c_str()); }

  // One tenant with these limits; the header that names it.
  std::string WriteTenant(const TenantLimits& limits) {
    token_ = *MakeToken("2026-11-27");
    WriteLimits(limits);
    return absl::StrCat("Bearer ", token_.text);
  }
  // Of the same tenant with the same token.
  void WriteLimits(const TenantLimits& limits) {
    EXPECT_TRUE(WriteTenants(path_, {TenantEntry{"acme", limits, {token_.stored}}}).ok());
  }
  ServerConfig Config() const {
    ServerConfig config = TestConfig();
    config.tokens_file = path_;
    config.upkeep_interval = absl::Milliseconds(10);
    return config;
  }
  // How a session that this config asks for ends; at once when it is refused.
  static grpc::Status Generate(const TestServer& server, const std::string& authorization, int chunks) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.AddMetadata("authorization", authorization);
    v1::GenerateVideoRequest request;
    *request.mutable_config() = SmallConfig(chunks);
    const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
    const auto reader = stub->GenerateVideo(&context, request);
    v1::GenerateVideoResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  }

  const std::string path_;
  NewToken token_;
};

TEST_F(TokenTest, EveryMethodWantsATokenAndSaysTheSameToWhoHasNone) {
  const std::string authorization = WriteTenant({});
  TestServer server(Config());
  EXPECT_TRUE(Ask(server.NewConnection(), authorization).ok());
  EXPECT_TRUE(Generate(server, authorization, 2).ok());
  const grpc::Status without = Ask(server.NewConnection());
  EXPECT_EQ(without.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(RefusalOf(without).reason, "TOKEN_NEEDED");
  const grpc::Status wrong = Generate(server, absl::StrCat("Bearer ", MakeToken("")->text), 2);
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(wrong.error_message(), without.error_message());
  EXPECT_EQ(TestStream(server.NewConnection(), SmallConfig(2)).status().error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(TokenTest, ATokenThatIsTakenBackIsRefusedWithoutARestart) {
  const std::string old_authorization = WriteTenant({});
  TestServer server(Config());
  ASSERT_TRUE(Ask(server.NewConnection(), old_authorization).ok());
  const std::string authorization = WriteTenant({});
  EXPECT_TRUE(Eventually([&] { return Ask(server.NewConnection(), authorization).ok(); }));
  EXPECT_EQ(Ask(server.NewConnection(), old_authorization).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(TokenTest, ATenantsLimitIsNamedInTheQuotaFailureAndCounted) {
  TenantLimits limits;
  limits.max_sessions = 0;
  const std::string authorization = WriteTenant(limits);
  ServerConfig config = Config();
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  const grpc::Status refused = Generate(server, authorization, 2);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RefusalOf(refused).reason, "TENANT_QUOTA_EXCEEDED");
  const auto quota = DetailOf<google::rpc::QuotaFailure>(refused);
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->violations(0).subject(), "tenant:acme");
  EXPECT_THAT(quota->violations(0).description(), HasSubstr("max_sessions"));
  EXPECT_EQ(server.Metric("videodiffcr_access_refusals_total{reason=\"max_sessions\"}"), 1);
}

TEST_F(TokenTest, ChunksBeyondTheMinutesWaitForTheNextAndANewSessionIsRefusedMeanwhile) {
  TenantLimits limits;
  limits.chunks_per_minute = 3;
  const std::string authorization = WriteTenant(limits);
  TestServer server(Config());
  TestStream stream(server.NewConnection(), SmallConfig(0), authorization);
  std::optional<v1::StreamVideoResponse> blocked;
  do {
    blocked = stream.NextOf(v1::StreamVideoResponse::kStateChanged);
    ASSERT_TRUE(blocked.has_value());
  } while (blocked->state_changed().state() != v1::SESSION_STATE_BLOCKED);
  EXPECT_THAT(blocked->state_changed().reason(), HasSubstr("chunks_per_minute"));
  const grpc::Status refused = Generate(server, authorization, 1);
  EXPECT_EQ(RefusalOf(refused).reason, "TENANT_QUOTA_EXCEEDED") << refused.error_message();
  EXPECT_THAT(DetailOf<google::rpc::QuotaFailure>(refused)->violations(0).description(),
              HasSubstr("chunks_per_minute"));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(refused).has_value());
}

TEST_F(TokenTest, ASessionWithinItsMinutesIsNotHeld) {
  TenantLimits limits;
  limits.chunks_per_minute = 6'000;
  const std::string authorization = WriteTenant(limits);
  TestServer server(Config());
  EXPECT_TRUE(Generate(server, authorization, 20).ok());
}

TEST_F(TokenTest, ALimitOfNoChunksEndsWhatRuns) {
  TenantLimits limits;
  const std::string authorization = WriteTenant(limits);
  TestServer server(Config());
  TestStream stream(server.NewConnection(), SmallConfig(0), authorization);
  ASSERT_TRUE(stream.NextChunk().has_value());
  limits.chunks_per_minute = 0;
  WriteLimits(limits);
  EXPECT_EQ(RefusalOf(stream.status()).reason, "TENANT_QUOTA_EXCEEDED");
}

TEST_F(TokenTest, ATenantHearsItsOwnLimitsAsTheyAreNow) {
  TenantLimits limits;
  limits.max_sessions = 3;
  limits.max_waiting_sessions = 0;
  const std::string authorization = WriteTenant(limits);
  TestServer server(Config());
  const auto limits_of = [&] {
    grpc::ClientContext context;
    context.AddMetadata("authorization", authorization);
    v1::GetServerInfoResponse info;
    const auto stub = v1::VideoGenerationService::NewStub(server.NewConnection());
    EXPECT_TRUE(stub->GetServerInfo(&context, {}, &info).ok());
    return info.limits();
  };
  v1::ServerLimits told = limits_of();
  EXPECT_EQ(told.tenant_sessions(), 3);
  EXPECT_TRUE(told.has_tenant_waiting_sessions());
  EXPECT_EQ(told.tenant_waiting_sessions(), 0);
  EXPECT_FALSE(told.has_tenant_chunks_per_minute());
  limits.chunks_per_minute = 600;
  WriteLimits(limits);
  EXPECT_TRUE(Eventually([&] { return limits_of().tenant_chunks_per_minute() == 600; }));
}

TEST_F(TokenTest, ATenantThatMayNotWaitIsRefusedWhereOthersWait) {
  TenantLimits limits;
  limits.max_waiting_sessions = 0;
  const std::string authorization = WriteTenant(limits);
  ServerConfig config = Config();
  config.scheduler.max_sessions = 1;
  TestServer server(config);
  TestStream first(server.NewConnection(), WithChunkCredits(SmallConfig(0), 1), authorization);
  ASSERT_TRUE(first.NextChunk().has_value());
  const grpc::Status refused = Generate(server, authorization, 1);
  EXPECT_EQ(RefusalOf(refused).reason, "TENANT_QUOTA_EXCEEDED") << refused.error_message();
  EXPECT_THAT(DetailOf<google::rpc::QuotaFailure>(refused)->violations(0).description(),
              HasSubstr("max_waiting_sessions"));
}

TEST(AdminPortTest, ProbesHearWhetherTheServerServesAndLivesAndNothingElseIsAnsweredThere) {
  ServerConfig config = TestConfig();
  config.admin_listen = "127.0.0.1:0";
  RealClock clock;
  auto server = *Server::Create(config, &clock);
  const std::string address = absl::StrCat("127.0.0.1:", server->admin_port());
  EXPECT_TRUE(CheckHealth(address, "live", kPatience).ok()) << "it lives while it loads";
  EXPECT_FALSE(CheckHealth(address, "", kPatience).ok());
  ASSERT_TRUE(server
                  ->Load([]() -> absl::StatusOr<std::unique_ptr<VideoModel>> {
                    return std::make_unique<FakeVideoModel>(FakeVideoModel::SmallInfo());
                  })
                  .ok());
  EXPECT_TRUE(CheckHealth(address, "", kPatience).ok());
  EXPECT_TRUE(CheckHealth(address, "videodiffcr.v1.VideoGenerationService", kPatience).ok());
  EXPECT_FALSE(CheckHealth(address, "unheard.of", kPatience).ok());
  EXPECT_EQ(Ask(ConnectTo(server->admin_port())).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  server->Drain();
  EXPECT_FALSE(CheckHealth(address, "", kPatience).ok());
  EXPECT_TRUE(CheckHealth(address, "live", kPatience).ok()) << "a drain is no reason to be killed";
  server.reset();
  EXPECT_THAT(std::string(CheckHealth(address, "", absl::Milliseconds(1)).message()), HasSubstr("--admin-listen"));
}

TEST(AdminPortTest, ProbesAreAnsweredWithoutReflection) {
  ServerConfig config = TestConfig();
  config.admin_listen = "127.0.0.1:0";
  config.reflection = false;
  RealClock clock;
  const auto server = Server::Create(config, &clock);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(CheckHealth(absl::StrCat("127.0.0.1:", (*server)->admin_port()), "live", kPatience).ok());
  EXPECT_EQ(Ask(ConnectTo((*server)->admin_port())).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace videodiffcr
