#include "tests/integration/test_stream.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "tests/integration/session_messages.h"

namespace videodiffcr {

TestStream::TestStream(const std::shared_ptr<grpc::Channel>& connection, const std::string& authorization)
    : stub_(v1::VideoGenerationService::NewStub(connection)) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
  stream_ = stub_->StreamVideo(&context_);
}

TestStream::TestStream(const std::shared_ptr<grpc::Channel>& connection, const v1::SessionConfig& config,
                       const std::string& authorization)
    : TestStream(connection, authorization) {
  SendConfig(config);
}

TestStream::~TestStream() {
  if (status_.has_value()) {
    // Of a test that failed one wants to know how its calls ended.
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "the call ended with code " << status_->error_code() << ": " << status_->error_message();
    }
    return;
  }
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

bool TestStream::WaitForState(v1::SessionState state) {
  while (const auto response = NextOf(v1::StreamVideoResponse::kStateChanged)) {
    if (response->state_changed().state() == state) return true;
  }
  return false;
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

}  // namespace videodiffcr
