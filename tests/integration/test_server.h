// A whole server on free ports, with the fake model behind it.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

#include "server/server.h"
#include "tests/fakes/fake_video_model.h"
#include "threading/clock.h"

namespace videodiffcr {

// A free port, no metrics endpoint, no warm-up, no upkeep.
ServerConfig TestConfig();

// A connection of its own, never shared with another channel, to a server on this machine.
std::shared_ptr<grpc::Channel> ConnectTo(int port);

class TestServer {
 public:
  // Serves when the constructor returns. `info` and `config` as the test needs them.
  explicit TestServer(ServerConfig config = TestConfig(), ModelInfo info = FakeVideoModel::SmallInfo());
  // Opens the model's gates first, so that nothing waits for ever.
  ~TestServer();

  FakeVideoModel& model() { return *model_; }
  Server& server() { return *server_; }
  void Drain() { server_->Drain(); }
  std::string address() const;
  std::shared_ptr<grpc::Channel> NewConnection() const { return ConnectTo(server_->port()); }
  // The text of the metrics endpoint.
  std::string Scrape() const;
  // One sample of the metrics endpoint by its name with labels, as Prometheus writes it; nullopt when it is not there.
  std::optional<double> Metric(const std::string& sample) const;
  // Waits until the sample has that value, for half a minute at most.
  bool WaitForMetric(const std::string& sample, double value) const;

 private:
  RealClock clock_;
  FakeVideoModel* model_ = nullptr;  // owned by server_
  std::unique_ptr<Server> server_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_
