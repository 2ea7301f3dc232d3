// A client that was built against the API as it was released, on the server of today.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/process/process.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {
namespace {

using Stub = v1::VideoGenerationService::Stub;

// The real server with the tiny model.
class ReleasedClientTest : public ::testing::Test {
 protected:
  ReleasedClientTest() {
    const std::string port_file = absl::StrCat(::testing::TempDir(), "released_client_", getpid());
    process_ = std::make_unique<Process>(
        std::vector<std::string>{absl::StrCat(std::getenv("VIDEODIFFCR_BIN_DIR"), "/videodiffcr-server"),
                                 absl::StrCat("--model-folder=", std::getenv("VIDEODIFFCR_SOURCE_DIR"), "/models/tiny"),
                                 "--listen=127.0.0.1:0", "--metrics-listen=", "--warm-up-chunks=0", "--max-sessions=1",
                                 "--max-waiting-sessions=0", "--port-file=" + port_file});
    while (!std::filesystem::exists(port_file) && process_->running()) {
    }
    std::string line;
    std::getline(std::ifstream(port_file), line);  // grpc_port=N
    std::filesystem::remove(port_file);
    channel_ = grpc::CreateChannel("127.0.0.1:" + line.substr(line.find('=') + 1), grpc::InsecureChannelCredentials());
    stub_ = v1::VideoGenerationService::NewStub(channel_);
  }
  ~ReleasedClientTest() override {
    process_->Signal(SIGTERM);
    EXPECT_EQ(process_->Wait(), 0) << process_->output();
  }

  static v1::SessionConfig Config(int chunks) {
    v1::SessionConfig config;
    config.set_prompt("a red circle moves right");
    config.set_length_chunks(chunks);
    config.set_seed(7);
    return config;
  }
  static void Within(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
  }

  std::unique_ptr<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(ReleasedClientTest, ASessionWithEveryControlGoesToItsEnd) {
  grpc::ClientContext context;
  Within(&context);
  const auto stream = stub_->StreamVideo(&context);
  v1::StreamVideoRequest request;
  *request.mutable_config() = Config(0);
  request.mutable_config()->set_initial_chunk_credits(1);
  stream->Write(request);
  v1::StreamVideoResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.started().model(), "tiny");
  while (stream->Read(&response) && !response.has_chunk()) {
  }
  EXPECT_EQ(response.chunk().sequence(), 0);
  request.mutable_pause();
  stream->Write(request);
  request.mutable_unpause();
  stream->Write(request);
  request.mutable_update()->set_prompt("a blue square moves left");
  request.mutable_update()->set_update_id(9);
  stream->Write(request);
  request.mutable_credit()->set_chunks(2);
  stream->Write(request);
  bool applied = false;
  int64_t chunks = 1;
  while (chunks < 3 && stream->Read(&response)) {
    applied = applied || response.update_applied().update_id() == 9;
    chunks += response.has_chunk() ? 1 : 0;
  }
  EXPECT_TRUE(applied);
  request.mutable_finish();
  stream->Write(request);
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(response.finished().chunks(), 3);
  EXPECT_TRUE(stream->Finish().ok());
}

// A client of before knows no CancelSession: its session goes with its call, and the only place is free again.
TEST_F(ReleasedClientTest, ACancelledCallGivesItsPlaceBackAtOnce) {
  {
    grpc::ClientContext context;
    v1::GenerateVideoRequest request;
    *request.mutable_config() = Config(1000);
    const auto stream = stub_->GenerateVideo(&context, request);
    v1::GenerateVideoResponse response;
    while (stream->Read(&response) && !response.has_chunk()) {
    }
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  // The server hears of it over the wire, so perhaps not at the first attempt.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    grpc::ClientContext context;
    Within(&context);
    v1::GenerateVideoRequest request;
    *request.mutable_config() = Config(1);
    const auto stream = stub_->GenerateVideo(&context, request);
    v1::GenerateVideoResponse response;
    while (stream->Read(&response)) {
    }
    if (stream->Finish().ok()) return;
  }
  FAIL() << "the place is still taken";
}

TEST_F(ReleasedClientTest, TheServerDescribesItself) {
  grpc::ClientContext context;
  Within(&context);
  v1::GetServerInfoResponse info;
  ASSERT_TRUE(stub_->GetServerInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.model().name(), "tiny");
  EXPECT_GT(info.limits().max_control_message_burst(), 0);
}

}  // namespace
}  // namespace videodiffcr
