#include "tests/integration/raw_call.h"

#include <chrono>

namespace videodiffcr {
namespace {

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

RawCall::RawCall(const std::shared_ptr<grpc::Channel>& connection, const std::string& method) : stub_(connection) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  call_ = stub_.PrepareCall(&context_, "/" + method, &queue_);
  call_->StartCall(this);
  Wait();
}

RawCall::~RawCall() {
  if (finished_) return;
  context_.TryCancel();
  Finish();
}

void RawCall::Send(const std::string& bytes) {
  call_->Write(BufferOf(bytes), this);
  Wait();
}

void RawCall::SendLast(const std::string& bytes) {
  call_->WriteLast(BufferOf(bytes), grpc::WriteOptions(), this);
  Wait();
}

std::optional<std::string> RawCall::Next() {
  grpc::ByteBuffer response;
  call_->Read(&response, this);
  grpc::Slice slice;
  if (!Wait() || !response.DumpToSingleSlice(&slice).ok()) return std::nullopt;
  return std::string(slice.begin(), slice.end());
}

grpc::Status RawCall::Finish() {
  while (Next().has_value()) {
  }
  finished_ = true;
  grpc::Status status;
  call_->Finish(&status, this);
  Wait();
  return status;
}

bool RawCall::Wait() {
  void* tag;
  bool ok = false;
  queue_.Next(&tag, &ok);
  return ok;
}

}  // namespace videodiffcr
