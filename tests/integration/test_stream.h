// A session as a test's client sees it.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_TEST_STREAM_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_TEST_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

// A StreamVideo call from the client's side, with a deadline, so that a server that hangs fails the test.
class TestStream {
 public:
  using Stream = grpc::ClientReaderWriter<v1::StreamVideoRequest, v1::StreamVideoResponse>;

  // `authorization` empty: none is sent.
  explicit TestStream(const std::shared_ptr<grpc::Channel>& connection, const std::string& authorization = "");
  // Begins with this config.
  TestStream(const std::shared_ptr<grpc::Channel>& connection, const v1::SessionConfig& config,
             const std::string& authorization = "");
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
  // Reads until the session says that it is in this state; false when the call ended before.
  bool WaitForState(v1::SessionState state);
  // Reads to the end.
  std::vector<v1::StreamVideoResponse> Rest();
  const grpc::Status& status();

 private:
  std::unique_ptr<v1::VideoGenerationService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::optional<grpc::Status> status_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_TEST_STREAM_H_
