// Start, health, reflection, metrics and drain of a whole server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/serve_until_stopped.h"
#include "system/signals.h"
#include "tests/fakes/manual_clock.h"
#include "tests/integration/loopback.h"
#include "tests/integration/raw_call.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kService[] = "videodiffcr.v1.VideoGenerationService";

// Watch() of grpc.health.v1, whose messages are short enough to write by hand: HealthCheckRequest{1: service},
// HealthCheckResponse{1: status}; 1 is SERVING, 2 NOT_SERVING.
class HealthWatch {
 public:
  HealthWatch(const std::shared_ptr<grpc::Channel>& channel, const std::string& service)
      : call_(channel, "grpc.health.v1.Health/Watch") {
    call_.SendLast(service.empty() ? "" : absl::StrCat("\x0a", std::string(1, service.size()), service));
  }
  // -1 when the call has ended or says something else.
  int Next() {
    const std::optional<std::string> response = call_.Next();
    return response.has_value() && response->size() == 2 && response->front() == 0x08 ? response->back() : -1;
  }

 private:
  RawCall call_;
};

// Asks the reflection service for the list of services: ServerReflectionRequest{7: "*"}.
grpc::Status AskReflection(const std::shared_ptr<grpc::Channel>& channel, std::string* answer) {
  RawCall call(channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  call.SendLast(std::string("\x3a\x01*", 3));
  *answer = call.Next().value_or("");
  return call.Finish();
}

TEST(LifecycleTest, HealthSaysNotServingUntilTheModelIsLoadedAndCallsAreUnavailable) {
  RealClock clock;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(TestConfig(), &clock);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto channel = ConnectTo((*server)->port());
  HealthWatch all(channel, ""), service(channel, kService);
  EXPECT_EQ(all.Next(), 2);
  EXPECT_EQ(service.Next(), 2);

  TestStream early(channel);
  EXPECT_EQ(early.status().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(RefusalOf(early.status()).reason, "MODEL_LOADING");
  const auto stub = v1::VideoGenerationService::NewStub(channel);
  grpc::ClientContext context;
  v1::GetServerInfoResponse info;
  EXPECT_EQ(stub->GetServerInfo(&context, {}, &info).error_code(), grpc::StatusCode::UNAVAILABLE);

  ASSERT_TRUE((*server)->Load([] { return std::make_unique<FakeVideoModel>(); }).ok());
  EXPECT_EQ(all.Next(), 1);
  EXPECT_EQ(service.Next(), 1);
  TestStream stream(channel, SmallConfig(1));
  EXPECT_TRUE(stream.status().ok());
}

TEST(LifecycleTest, WarmUpRunsTwoSessionsByTheModelsRulesAndLeavesNothingBehind) {
  ServerConfig config = TestConfig();
  config.warm_up_chunks = 2;
  TestServer server(config);
  EXPECT_EQ(server.model().plans_run(), (1 + 2 * 5) + (1 + 5))
      << "text, then four passes and the context pass of each chunk; once more with one chunk";
  EXPECT_EQ(server.model().live_sessions(), 0);
  EXPECT_THAT(server.model().broken_rules(), IsEmpty());
}

TEST(LifecycleTest, AModelThatDoesNotLoadIsTheErrorOfLoad) {
  RealClock clock;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(TestConfig(), &clock);
  ASSERT_TRUE(server.ok()) << server.status();
  const absl::Status status = (*server)->Load(
      []() -> absl::StatusOr<std::unique_ptr<VideoModel>> { return absl::NotFoundError("no such folder"); });
  EXPECT_EQ(status, absl::NotFoundError("no such folder"));
}

TEST(LifecycleTest, AModelThatCannotBeWarmedUpOrDoesNotFitIsTheErrorOfLoad) {
  RealClock clock;
  const auto load = [&clock](const ServerConfig& config) {
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(config, &clock);
    EXPECT_TRUE(server.ok()) << server.status();
    return (*server)->Load([]() -> absl::StatusOr<std::unique_ptr<VideoModel>> {
      auto model = std::make_unique<FakeVideoModel>();
      model->FailBegin(1, absl::InternalError("broken"));  // the warm-up's
      return model;
    });
  };
  ServerConfig config = TestConfig();
  EXPECT_TRUE(load(config).ok());
  config.warm_up_chunks = 1;
  EXPECT_EQ(load(config), absl::InternalError("broken"));
  config.warm_up_chunks = 0;
  config.scheduler.memory_budget_bytes = 1;
  EXPECT_THAT(std::string(load(config).message()), HasSubstr("memory_budget_bytes is 1"));
  config = TestConfig();
  config.port_file = "/no/such/folder/ports";
  EXPECT_THAT(std::string(load(config).message()), HasSubstr("cannot write /no/such/folder/ports"));
}

TEST(LifecycleTest, AServerWhoseConfigMakesNoSenseDoesNotStart) {
  RealClock clock;
  ServerConfig config = TestConfig();
  config.warm_up_chunks = -1;
  EXPECT_EQ(Server::Create(config, &clock).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(LifecycleTest, APortInUseIsAnErrorThatNamesItAndTheFlag) {
  TestServer server;
  RealClock clock;
  ServerConfig config = TestConfig();
  config.listen = server.address();
  const absl::Status status = Server::Create(config, &clock).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server.address()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--listen"));
}

TEST(LifecycleTest, AMetricsPortInUseIsAnErrorThatNamesItAndTheFlag) {
  TestServer server;
  RealClock clock;
  ServerConfig config = TestConfig();
  config.metrics_listen = server.address();
  const absl::Status status = Server::Create(config, &clock).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server.address()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--metrics-listen"));
}

TEST(LifecycleTest, ThePortFileNamesThePortsInUse) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / absl::StrCat("ports.", getpid());
  ServerConfig config = TestConfig();
  config.port_file = file.string();
  TestServer server(config);
  std::ifstream stream(file);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  EXPECT_EQ(text, absl::StrCat("grpc_port=", server.server().port(), "\nmetrics_port=0\nadmin_port=0\n"));
  std::filesystem::remove(file);
}

TEST(LifecycleTest, ADrainFlipsHealthRefusesNewSessionsAndEndsRunningOnesAfterTheirChunk) {
  ServerConfig with_metrics = TestConfig();
  with_metrics.metrics_listen = "127.0.0.1:0";
  TestServer server(with_metrics);
  const auto channel = server.NewConnection();
  HealthWatch watch(channel, kService);
  EXPECT_EQ(watch.Next(), 1);
  server.model().HoldPlans();
  TestStream stream(channel, SmallConfig(0));
  ASSERT_TRUE(server.model().WaitForHeldPlan().has_value());

  std::thread drain([&] { server.Drain(); });
  EXPECT_EQ(watch.Next(), 2) << "health flips while the chunk is still in progress";
  // Health flips first, so a session may slip in between; from some moment on each one is refused.
  grpc::Status refused;
  do {
    TestStream late(channel, SmallConfig(1, 2));
    auto first = late.Next();
    if (!first.has_value()) refused = late.status();
  } while (refused.ok());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(RefusalOf(refused).reason, "DRAINING");

  server.model().FreePlans();
  const auto chunk = stream.NextChunk();
  ASSERT_TRUE(chunk.has_value()) << "the chunk in progress arrives";
  EXPECT_EQ(chunk->frame_count(), 9);
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::ABORTED) << stream.status().error_message();
  EXPECT_EQ(RefusalOf(stream.status()).reason, "DRAINING");
  drain.join();
  EXPECT_THAT(server.Scrape(),
              HasSubstr("videodiffcr_admission_rejections_total{model=\"fake\",priority=\"standard\",reason="
                        "\"draining\"} 1\n"));
  EXPECT_EQ(server.model().live_sessions(), 0);
}

// The scheduler is done with a session once its last chunk is in the outbox; the viewer may be far behind.
TEST(LifecycleTest, ADrainWaitsForTheLastBytesOfASlowViewer) {
  TestServer server;
  server.model().HoldDecodes();
  TestStream stream(server.NewConnection(), RawConfig(0, 1));
  ASSERT_TRUE(server.model().WaitForPlansRun(10)) << "two chunks, more than a connection holds unread";
  std::thread drain([&] { server.Drain(); });
  server.model().FreeDecodes();
  EXPECT_TRUE(server.model().WaitForLiveSessions(0));
  int chunks = 0;
  while (stream.NextChunk().has_value()) ++chunks;
  EXPECT_GE(chunks, 2);
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::ABORTED) << stream.status().error_message();
  drain.join();
}

TEST(LifecycleTest, ADrainWithoutPatienceCutsOffWhatRuns) {
  ServerConfig config = TestConfig();
  config.drain_timeout = absl::ZeroDuration();
  TestServer server(config);
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(0), 1));
  ASSERT_TRUE(stream.NextChunk().has_value());
  server.Drain();
  EXPECT_FALSE(stream.status().ok());
}

TEST(LifecycleTest, AServerThatLosesItsModelTellsItsViewersStopsServingAndEndsWithTheReason) {
  TestServer server;
  const auto connection = server.NewConnection();
  HealthWatch watch(connection, kService);
  EXPECT_EQ(watch.Next(), 1);
  server.model().HoldDecodes();  // keeps the first viewer, and with it the drain, until the end has been watched
  TestStream running(connection, SmallConfig(0));
  ASSERT_TRUE(server.model().WaitForHeldDecode());
  server.model().HoldPlans();  // so that the loss shows when the second viewer is there
  TestStream beginning(connection, SmallConfig(0, 2));
  ASSERT_TRUE(beginning.Next().has_value());
  server.model().Lose(absl::InternalError("an illegal memory access was encountered"));
  server.model().FreePlans();
  absl::Status served;
  std::thread serving([&] { served = ServeUntilStopped(&server.server(), SignalSet({}), [] {}); });

  beginning.Rest();
  EXPECT_EQ(beginning.status().error_code(), grpc::StatusCode::UNAVAILABLE) << beginning.status().error_message();
  EXPECT_EQ(RefusalOf(beginning.status()).reason, "MODEL_LOST");
  EXPECT_EQ(watch.Next(), 2);
  server.model().FreeDecodes();
  running.Rest();
  // Without a look at its reason: the connection may close before this last word is through.
  EXPECT_EQ(running.status().error_code(), grpc::StatusCode::UNAVAILABLE) << running.status().error_message();
  serving.join();
  EXPECT_EQ(served.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(served.message()), HasSubstr("an illegal memory access was encountered"));
  EXPECT_EQ(server.model().live_sessions(), 0);
}

TEST(LifecycleTest, ReflectionListsTheServicesUnlessItIsSwitchedOff) {
  ServerConfig config = TestConfig();
  {
    TestServer server(config);
    std::string services;
    EXPECT_TRUE(AskReflection(server.NewConnection(), &services).ok());
    EXPECT_THAT(services, HasSubstr(kService));
    EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
  }
  config.reflection = false;
  TestServer server(config);
  std::string services;
  EXPECT_EQ(AskReflection(server.NewConnection(), &services).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(LifecycleTest, TheMetricsCountCallsControlsBytesAndReadiness) {
  ServerConfig config = TestConfig();
  config.metrics_listen = "127.0.0.1:0";
  TestServer server(config);
  EXPECT_EQ(server.Metric("videodiffcr_ready"), 1);
  EXPECT_EQ(server.Metric("videodiffcr_draining"), 0);
  EXPECT_EQ(server.Metric("videodiffcr_build_info{version=\"0.1.0\"}"), 1);
  EXPECT_EQ(server.Metric("videodiffcr_gpu_memory_bytes{device=\"cuda\",kind=\"sessions\"}"), 0);
  EXPECT_EQ(server.Metric("videodiffcr_grpc_requests_total{code=\"OK\",method=\"StreamVideo\"}"), 0);
  EXPECT_GT(server.Metric("process_resident_memory_bytes").value_or(0), 1e6);
  EXPECT_GT(server.Metric("process_cpu_seconds_total").value_or(-1), 0);
  EXPECT_GT(server.Metric("process_start_time_seconds").value_or(0), 1.5e9);
  EXPECT_GT(server.Metric("process_open_fds").value_or(0), 3);

  const auto connection = server.NewConnection();
  v1::SessionConfig session = WithChunkCredits(RawConfig(2, 1), 1);
  TestStream stream(connection, session);
  ASSERT_TRUE(stream.NextChunk().has_value());
  stream.Send(ChunkCreditRequest(1));
  EXPECT_TRUE(stream.status().ok());
  session.set_prompt("");
  TestStream bad(connection, session);
  EXPECT_FALSE(bad.status().ok());

  EXPECT_TRUE(server.WaitForMetric("videodiffcr_grpc_requests_total{code=\"OK\",method=\"StreamVideo\"}", 1));
  EXPECT_TRUE(
      server.WaitForMetric("videodiffcr_grpc_requests_total{code=\"INVALID_ARGUMENT\",method=\"StreamVideo\"}", 1));
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_control_messages_total{result=\"accepted\",type=\"credit\"}", 1));
  EXPECT_EQ(server.Metric("videodiffcr_output_bytes_total{model=\"fake\",codec=\"raw_rgb24\"}"),
            (9 + 12) * 64 * 48 * 3);
  EXPECT_EQ(server.Metric("videodiffcr_encode_seconds_count{model=\"fake\",codec=\"raw_rgb24\"}"), 2);
  EXPECT_TRUE(server.WaitForMetric("videodiffcr_send_buffer_bytes{model=\"fake\"}", 0));

  server.Drain();
  EXPECT_EQ(server.Metric("videodiffcr_ready"), 0);
  EXPECT_EQ(server.Metric("videodiffcr_draining"), 1);
}

// Under a clock that stands still but where the test moves it.
TEST(LifecycleTest, TheMetricsTellHowLongTheStartTookWhatTheDeviceHoldsAndWhoCameTooEarly) {
  ManualClock clock;
  ServerConfig config = TestConfig();
  config.metrics_listen = "127.0.0.1:0";
  config.warm_up_chunks = 1;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(config, &clock);
  ASSERT_TRUE(server.ok()) << server.status();
  auto stub = v1::VideoGenerationService::NewStub(ConnectTo((*server)->port()));
  const auto ask = [&stub] {
    grpc::ClientContext context;
    v1::GetServerInfoResponse info;
    return stub->GetServerInfo(&context, {}, &info).error_code();
  };
  EXPECT_EQ(ask(), grpc::StatusCode::UNAVAILABLE);
  const absl::Status loaded = (*server)->Load([&clock]() -> absl::StatusOr<std::unique_ptr<VideoModel>> {
    clock.Advance(absl::Seconds(7));
    ModelInfo info = FakeVideoModel::SmallInfo();
    info.device = "cuda";
    info.device_memory = {{"weights", 123}};
    auto model = std::make_unique<FakeVideoModel>(info);
    model->SetPlanHook([&clock](const StepPlan&) { clock.Advance(absl::Seconds(1)); });
    return model;
  });
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(ask(), grpc::StatusCode::OK);
  const std::string metrics = HttpGet((*server)->metrics_port(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("videodiffcr_model_load_seconds 7\n"));
  EXPECT_THAT(metrics, HasSubstr("videodiffcr_warmup_seconds 12\n"));
  EXPECT_THAT(metrics, HasSubstr("videodiffcr_gpu_memory_bytes{device=\"cuda\",kind=\"weights\"} 123\n"));
  EXPECT_THAT(metrics, HasSubstr("videodiffcr_grpc_requests_total{code=\"UNAVAILABLE\",method=\"GetServerInfo\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("videodiffcr_grpc_requests_total{code=\"OK\",method=\"GetServerInfo\"} 1\n"));
}

}  // namespace
}  // namespace videodiffcr
