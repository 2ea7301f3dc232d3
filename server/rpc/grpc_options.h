// What both of our gRPC servers, the one for calls and the one for probes, are built with.
#ifndef VIDEODIFFCR_SERVER_RPC_GRPC_OPTIONS_H_
#define VIDEODIFFCR_SERVER_RPC_GRPC_OPTIONS_H_

#include <memory>
#include <vector>

#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/server_builder.h"

namespace videodiffcr {

// Reflection on or off for one server. Being linked, gRPC's reflection library has switched it on for every server of
// the process.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool wanted) : wanted_(wanted) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override;

 private:
  const bool wanted_;
};

// A thousandth of a message's size on the wire may be what it takes in memory, and gRPC looks at the size after it has
// unpacked. Such a call ends with UNIMPLEMENTED, as gRPC's own rules want it, and never is a message unpacked.
void RefuseCompression(grpc::ServerBuilder* builder);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_GRPC_OPTIONS_H_
