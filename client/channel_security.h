// How a client proves who it is, and whom it believes: TLS and a bearer token.
#ifndef VIDEODIFFCR_CLIENT_CHANNEL_SECURITY_H_
#define VIDEODIFFCR_CLIENT_CHANNEL_SECURITY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace videodiffcr {

// By default plaintext without a token.
struct ChannelSecurity {
  bool tls = false;             // believe whom this system believes
  std::string tls_ca;           // PEM file: believe these instead; empty: see `tls`
  std::string tls_certificate;  // PEM file: the client's own; empty: none
  std::string tls_key;          // PEM file
  std::string token_file;       // holds the token in one line; empty: none
};

// A channel that carries the token with every call that has no `authorization` of its own. The files' errors, with the
// path first.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address, const ChannelSecurity& security,
                                                           const grpc::ChannelArguments& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_CHANNEL_SECURITY_H_
