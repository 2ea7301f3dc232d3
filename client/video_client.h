// A connection to a server: what `videodiffcr generate` and the end-to-end tests are made of.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
#define VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel_security.h"
#include "client/server_list.h"
#include "client/video_call.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

// Connections to servers of one model, one each. Thread-safe.
class VideoClient {
 public:
  // Waits until a server answers at one of the `addresses` ("host:port,host:port"), for `timeout` at most, and then
  // until it has loaded its model, for `load_timeout` at most. Unavailable, with advice, when either takes longer.
  // Sessions begin there, and go to the others when it is full or gone. `security`'s files may be wrong:
  // MakeChannel()'s errors.
  static absl::StatusOr<std::unique_ptr<VideoClient>> Connect(const std::string& addresses, absl::Duration timeout,
                                                              absl::Duration load_timeout = absl::Minutes(1),
                                                              const ChannelSecurity& security = {});

  // Sessions begin with the server of index `first`, and go to those behind it, around the list, when it is full or
  // gone.
  VideoClient(const ServerList& servers, size_t first);

  // Of the first server that answers, asked in the order that sessions go. `authorization` goes along as the metadata
  // of that name ("Bearer ..."), unless it is empty; so it does below.
  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo(const std::string& authorization = "");

  // Starts a session. Whether the server takes it shows in the first event.
  std::unique_ptr<VideoCall> StreamVideo(const v1::SessionConfig& config, const ResumeOptions& options = {},
                                         const std::string& authorization = "");

  // Of VideoCall::server().
  const std::string& address(size_t server) const { return addresses_[server]; }

 private:
  std::vector<std::string> addresses_;                                    // as below
  std::vector<std::unique_ptr<v1::VideoGenerationService::Stub>> stubs_;  // keep the channels alive
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
