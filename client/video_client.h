// A connection to a server: what `videodiffcr generate` and the end-to-end tests are made of.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
#define VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/channel_security.h"
#include "client/video_call.h"
#include "grpcpp/channel.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

// A connection to one server. Thread-safe.
class VideoClient {
 public:
  // Waits until a server answers at `address` ("host:port"), for `timeout` at most, and then until it has loaded its
  // model, for `load_timeout` at most. Unavailable, with advice, when either takes longer.
  // `security`'s files may be wrong: MakeChannel()'s errors.
  static absl::StatusOr<std::unique_ptr<VideoClient>> Connect(const std::string& address, absl::Duration timeout,
                                                              absl::Duration load_timeout = absl::Minutes(1),
                                                              const ChannelSecurity& security = {});

  // `authorization` goes along as the metadata of that name ("Bearer ..."), unless it is empty; so it does below.
  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo(const std::string& authorization = "");

  // Starts a session. Whether the server takes it shows in the first event.
  std::unique_ptr<VideoCall> StreamVideo(const v1::SessionConfig& config, const ResumeOptions& options = {},
                                         const std::string& authorization = "");

 private:
  explicit VideoClient(std::shared_ptr<grpc::Channel> channel);

  const std::unique_ptr<v1::VideoGenerationService::Stub> stub_;  // keeps the channel alive
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
