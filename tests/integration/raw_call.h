// A gRPC call whose messages are bytes of the test's choice, in both directions: for what the generated classes would
// not send, and for services that there are no classes for.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_RAW_CALL_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_RAW_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>

namespace videodiffcr {

class RawCall {
 public:
  // `method` is "package.Service/Method". The call has a deadline, so that a server that hangs fails the test.
  RawCall(const std::shared_ptr<grpc::Channel>& connection, const std::string& method);
  // Cancels what still runs.
  ~RawCall();

  void Send(const std::string& bytes);
  // No more will follow.
  void SendLast(const std::string& bytes);
  // The next message; nullopt when there is no more.
  std::optional<std::string> Next();
  // Reads to the end. At most once.
  grpc::Status Finish();

 private:
  bool Wait();

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_RAW_CALL_H_
