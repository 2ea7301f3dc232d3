// A whole server on free ports, with the fake model behind it, and what a client needs to talk to it.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "scheduler/clock.h"
#include "server/server.h"
#include "tests/fakes/fake_video_model.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

// A free port, no metrics endpoint (its threads take two seconds to stop), no warm-up.
ServerConfig TestConfig();

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
  // A connection of its own, never shared with another channel.
  std::shared_ptr<grpc::Channel> NewConnection() const;
  std::unique_ptr<v1::VideoGenerationService::Stub> NewStub() const {
    return v1::VideoGenerationService::NewStub(NewConnection());
  }
  // One sample of the metrics endpoint by its name with labels, as Prometheus writes it; nullopt when it is not there.
  std::optional<double> Metric(const std::string& sample) const;
  // Waits until the sample has that value, for half a minute at most.
  bool WaitForMetric(const std::string& sample, double value) const;

 private:
  RealClock clock_;
  FakeVideoModel* model_ = nullptr;  // owned by server_
  std::unique_ptr<Server> server_;
};

// The text of the metrics endpoint.
std::string ScrapeMetrics(int port);

// A StreamVideo call from the client's side, with a deadline, so that a server that hangs fails the test.
class TestStream {
 public:
  using Stream = grpc::ClientReaderWriter<v1::StreamVideoRequest, v1::StreamVideoResponse>;

  explicit TestStream(v1::VideoGenerationService::Stub* stub);
  // Cancels what still runs.
  ~TestStream();

  bool Send(const v1::StreamVideoRequest& request) { return stream_->Write(request); }
  bool SendConfig(const v1::SessionConfig& config);
  void CloseSending() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  // The next response; nullopt when the call has ended (then status() says how).
  std::optional<v1::StreamVideoResponse> Next();
  // Passes over other responses; nullopt when the call ended before one came.
  std::optional<v1::VideoChunk> NextChunk();
  std::optional<v1::StreamVideoResponse> NextOf(v1::StreamVideoResponse::ResponseCase wanted);
  // Reads to the end.
  std::vector<v1::StreamVideoResponse> Rest();
  const grpc::Status& status();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::optional<grpc::Status> status_;
};

// A config that the small fake model takes.
v1::SessionConfig SmallConfig(int length_chunks, uint64_t seed = 1);
v1::StreamVideoRequest ConfigRequest(const v1::SessionConfig& config);

// The detail of this type in a status; nullopt when it has none.
template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_TEST_SERVER_H_
