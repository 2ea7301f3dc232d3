#include "tests/integration/test_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/rpc/status.pb.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

ServerConfig TestConfig() {
  ServerConfig config;
  config.listen = "127.0.0.1:0";
  config.metrics_listen = "";
  config.warm_up_chunks = 0;
  config.drain_timeout = absl::Seconds(20);
  return config;
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

std::shared_ptr<grpc::Channel> TestServer::NewConnection() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
}

std::optional<double> TestServer::Metric(const std::string& sample) const {
  for (absl::string_view line : absl::StrSplit(ScrapeMetrics(server_->metrics_port()), '\n')) {
    double value;
    if (line.substr(0, sample.size() + 1) == sample + " " && absl::SimpleAtod(line.substr(sample.size() + 1), &value)) {
      return value;
    }
  }
  return std::nullopt;
}

bool TestServer::WaitForMetric(const std::string& sample, double value) const {
  // A scrape is a question over HTTP: there is nothing to be notified by, so it is asked again.
  const absl::Time deadline = absl::Now() + kPatience;
  while (Metric(sample) != value) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string ScrapeMetrics(int port) {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(write(file, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[65536];
    for (ssize_t got; (got = read(file, buffer, sizeof(buffer))) > 0;) answer.append(buffer, static_cast<size_t>(got));
  }
  close(file);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

TestStream::TestStream(v1::VideoGenerationService::Stub* stub) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  stream_ = stub->StreamVideo(&context_);
}

TestStream::~TestStream() {
  if (status_.has_value()) return;
  context_.TryCancel();
  Rest();
}

bool TestStream::SendConfig(const v1::SessionConfig& config) { return Send(ConfigRequest(config)); }

std::optional<v1::StreamVideoResponse> TestStream::Next() {
  v1::StreamVideoResponse response;
  if (!status_.has_value() && stream_->Read(&response)) return response;
  if (!status_.has_value()) status_ = stream_->Finish();
  return std::nullopt;
}

std::optional<v1::VideoChunk> TestStream::NextChunk() {
  auto response = NextOf(v1::StreamVideoResponse::kChunk);
  return response.has_value() ? std::optional(response->chunk()) : std::nullopt;
}

std::optional<v1::StreamVideoResponse> TestStream::NextOf(v1::StreamVideoResponse::ResponseCase wanted) {
  while (auto response = Next()) {
    if (response->response_case() == wanted) return response;
  }
  return std::nullopt;
}

std::vector<v1::StreamVideoResponse> TestStream::Rest() {
  std::vector<v1::StreamVideoResponse> responses;
  while (auto response = Next()) responses.push_back(*std::move(response));
  return responses;
}

const grpc::Status& TestStream::status() {
  Rest();
  return *status_;
}

v1::SessionConfig SmallConfig(int length_chunks, uint64_t seed) {
  v1::SessionConfig config;
  config.set_prompt("a red circle moves right");
  config.set_length_chunks(length_chunks);
  config.set_seed(seed);
  return config;
}

v1::StreamVideoRequest ConfigRequest(const v1::SessionConfig& config) {
  v1::StreamVideoRequest request;
  *request.mutable_config() = config;
  return request;
}

template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& any : details.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

template std::optional<google::rpc::ErrorInfo> DetailOf(const grpc::Status& status);
template std::optional<google::rpc::BadRequest> DetailOf(const grpc::Status& status);
template std::optional<google::rpc::RetryInfo> DetailOf(const grpc::Status& status);
template std::optional<google::rpc::QuotaFailure> DetailOf(const grpc::Status& status);

}  // namespace videodiffcr
