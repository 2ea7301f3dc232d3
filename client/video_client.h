// A call to the server as a sequence of events: what `videodiffcr generate` and the end-to-end tests are made of.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
#define VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

// One StreamVideo call.
//
// Threads: Cancel() from any thread at any time; Send() from one thread at a time, which may be another than that of
// everything else.
class VideoCall {
 public:
  // Cancels the call if it still runs.
  ~VideoCall();
  VideoCall(const VideoCall&) = delete;
  VideoCall& operator=(const VideoCall&) = delete;

  // Waits for the server's next message. nullopt: the call is over and Finish() says how. Chunks are checked first: a
  // gap in their numbers or a wrong checksum ends the call with DataLoss, so what comes out of here is whole and in
  // order.
  std::optional<v1::StreamVideoResponse> Next();

  // Sends one control message; `config` has gone out already. A call that is over ignores it: Finish() says why.
  void Send(const v1::StreamVideoRequest& request);

  // Asks the server to stop at once. Next() still returns what is on its way, then nullopt; Finish() says Cancelled.
  void Cancel();

  // How the call ended. Call it after Next() has returned nullopt. Errors carry the server's google.rpc details
  // (client/call_status.h reads them).
  absl::Status Finish();

 private:
  friend class VideoClient;
  VideoCall(v1::VideoGenerationService::Stub* stub, const v1::SessionConfig& config, const std::string& authorization);

  absl::Status CheckChunk(const v1::VideoChunk& chunk);

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StreamVideoRequest, v1::StreamVideoResponse>> stream_;
  int64_t next_sequence_ = 0;
  absl::Status damage_;  // what CheckChunk() found
  std::optional<absl::Status> end_;
};

// A connection to one server. Thread-safe.
class VideoClient {
 public:
  // Waits until a server answers at `address` ("host:port"), for `timeout` at most, and then until it has loaded its
  // model, for `load_timeout` at most. Unavailable, with advice, when either takes longer.
  static absl::StatusOr<std::unique_ptr<VideoClient>> Connect(const std::string& address, absl::Duration timeout,
                                                              absl::Duration load_timeout = absl::Minutes(1));

  // `authorization` goes along as the metadata of that name ("Bearer ..."), unless it is empty; so it does below.
  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo(const std::string& authorization = "");

  // Starts a session. Whether the server takes it shows in the first event.
  std::unique_ptr<VideoCall> StreamVideo(const v1::SessionConfig& config, const std::string& authorization = "");

 private:
  explicit VideoClient(std::shared_ptr<grpc::Channel> channel);

  const std::unique_ptr<v1::VideoGenerationService::Stub> stub_;  // keeps the channel alive
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_CLIENT_H_
