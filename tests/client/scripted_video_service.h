// A server whose every call plays a script, on a port of its own. For tests of the client.
#ifndef VIDEODIFFCR_TESTS_CLIENT_SCRIPTED_VIDEO_SERVICE_H_
#define VIDEODIFFCR_TESTS_CLIENT_SCRIPTED_VIDEO_SERVICE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "checksum/crc32c.h"
#include "client/video_client.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_context.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

class ScriptedVideoService final : public v1::VideoGenerationService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::StreamVideoResponse, v1::StreamVideoRequest>;
  // Plays one call after its first message has been read.
  using Script =
      std::function<grpc::Status(const v1::SessionConfig& config, grpc::ServerContext* context, Stream* stream)>;

  // Plays a call that begins with `resume`.
  using ResumeScript =
      std::function<grpc::Status(const v1::ResumeRequest& resume, grpc::ServerContext* context, Stream* stream)>;

  explicit ScriptedVideoService(Script script, ResumeScript resume_script = nullptr)
      : script_(std::move(script)), resume_script_(std::move(resume_script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  grpc::Status StreamVideo(grpc::ServerContext* context, Stream* stream) override {
    v1::StreamVideoRequest first;
    if (stream->Read(&first) && first.has_resume() && resume_script_) {
      return resume_script_(first.resume(), context, stream);
    }
    if (!first.has_config()) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the first message must be config");
    }
    return script_(first.config(), context, stream);
  }

  // Called by each CancelSession, before it is answered.
  void OnCancelSession(std::function<void()> called) { on_cancel_session_ = std::move(called); }

  grpc::Status CancelSession(grpc::ServerContext*, const v1::CancelSessionRequest*,
                             v1::CancelSessionResponse*) override {
    if (on_cancel_session_) on_cancel_session_();
    return grpc::Status::OK;
  }

  // As while a model is being loaded: the next `calls` calls of GetServerInfo are sent away.
  void LoadForCalls(int calls) { loading_calls_ = calls; }

  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse*) override {
    if (loading_calls_ == 0) {
      return grpc::Status::OK;
    }
    --loading_calls_;
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    info.set_reason("MODEL_LOADING");
    details.add_details()->PackFrom(info);
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(1'000'000);
    details.add_details()->PackFrom(retry);
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the model is being loaded", details.SerializeAsString());
  }

  static v1::StreamVideoResponse Started() {
    v1::StreamVideoResponse response;
    v1::SessionStarted* started = response.mutable_started();
    started->set_session_id("session-1");
    started->set_model("scripted");
    started->set_seed(7);
    started->set_width(160);
    started->set_height(96);
    started->set_frames_per_second(16);
    return response;
  }

  // Of a session that can be resumed.
  static v1::StreamVideoResponse Started(const std::string& resume_token, int64_t controls_received = 0) {
    v1::StreamVideoResponse response = Started();
    response.mutable_started()->set_resume_token(resume_token);
    response.mutable_started()->set_controls_received(controls_received);
    return response;
  }

  static v1::StreamVideoResponse FirstFragment(const std::string& payload) {
    v1::StreamVideoResponse response;
    response.mutable_first_fragment()->set_payload(payload);
    response.mutable_first_fragment()->set_payload_crc32c(Crc32c(payload));
    response.mutable_first_fragment()->set_frame_count(1);
    return response;
  }

  // A chunk of one frame whose payload is `payload`, with its checksum.
  static v1::StreamVideoResponse Chunk(int64_t sequence, const std::string& payload) {
    v1::StreamVideoResponse response;
    v1::VideoChunk* chunk = response.mutable_chunk();
    chunk->set_sequence(sequence);
    chunk->set_first_frame(sequence);
    chunk->set_frame_count(1);
    chunk->set_payload(payload);
    chunk->set_payload_crc32c(Crc32c(payload));
    chunk->mutable_retention()->set_nominal(1);
    chunk->mutable_retention()->set_executed(1);
    return response;
  }

 private:
  const Script script_;
  const ResumeScript resume_script_;
  std::function<void()> on_cancel_session_;
  int port_ = 0;
  std::atomic<int> loading_calls_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// What tests of calls on that server begin with.
inline const grpc::Status kBroken(grpc::StatusCode::UNAVAILABLE, "the network broke the call off");

inline std::unique_ptr<VideoClient> ConnectTo(const ScriptedVideoService& service) {
  return *VideoClient::Connect(service.address(), absl::Seconds(20));
}

inline v1::SessionConfig Prompt() {
  v1::SessionConfig config;
  config.set_prompt("a red circle");
  return config;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_CLIENT_SCRIPTED_VIDEO_SERVICE_H_
