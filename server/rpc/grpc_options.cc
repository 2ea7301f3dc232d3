#include "server/rpc/grpc_options.h"

#include <utility>

#include "grpcpp/ext/proto_server_reflection_plugin.h"

namespace videodiffcr {

void ReflectionOption::UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) {
  auto reflection = std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
  std::erase_if(*plugins, [&](const auto& plugin) { return plugin->name() == reflection->name(); });
  if (wanted_) plugins->push_back(std::move(reflection));
}

void RefuseCompression(grpc::ServerBuilder* builder) {
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder->SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
}

}  // namespace videodiffcr
