#include "tests/integration/test_server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/integration/loopback.h"

namespace videodiffcr {

ServerConfig TestConfig() {
  ServerConfig config;
  config.listen = "127.0.0.1:0";
  config.metrics_listen = "";
  config.warm_up_chunks = 0;
  config.drain_timeout = absl::Seconds(20);
  config.upkeep_interval = absl::Hours(1);
  config.scheduler.idle_grace = absl::ZeroDuration();
  return config;
}

std::shared_ptr<grpc::Channel> ConnectTo(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments);
}

TestServer::TestServer(ServerConfig config, ModelInfo info) {
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(config, &clock_);
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    std::abort();
  }
  server_ = *std::move(server);
  const absl::Status loaded = server_->Load([&]() -> absl::StatusOr<std::unique_ptr<VideoModel>> {
    auto model = std::make_unique<FakeVideoModel>(std::move(info));
    model_ = model.get();
    return model;
  });
  EXPECT_TRUE(loaded.ok()) << loaded;
}

TestServer::~TestServer() {
  model_->FreePlans();
  model_->FreeDecodes();
}

std::string TestServer::address() const { return absl::StrCat("127.0.0.1:", server_->port()); }

std::string TestServer::Scrape() const { return HttpGet(server_->metrics_port(), "/metrics"); }

std::optional<double> TestServer::Metric(const std::string& sample) const {
  for (absl::string_view line : absl::StrSplit(Scrape(), '\n')) {
    double value;
    if (line.substr(0, sample.size() + 1) == sample + " " && absl::SimpleAtod(line.substr(sample.size() + 1), &value)) {
      return value;
    }
  }
  return std::nullopt;
}

bool TestServer::WaitForMetric(const std::string& sample, double value) const {
  // A scrape is a question over HTTP: there is nothing to be notified by, so it is asked again.
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (Metric(sample) != value) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace videodiffcr
