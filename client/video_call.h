// One session as a sequence of events, across as many connections and servers as it takes: a call that breaks off is
// resumed; where a server drains or is lost, another goes on from the last snapshot. Nothing is lost, doubled or
// changed on the way.
#ifndef VIDEODIFFCR_CLIENT_VIDEO_CALL_H_
#define VIDEODIFFCR_CLIENT_VIDEO_CALL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"
#include "threading/mutex.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {

struct ResumeOptions {
  // How long a session is asked for again after its call broke off; 0: never, and the session ends with its call.
  absl::Duration patience = absl::Seconds(30);
  // Hears of every break that is to be mended, from Next().
  std::function<void(const absl::Status&)> on_break;
  // Of a session with several servers, unless its config says so: a snapshot comes behind every so many chunks, and no
  // more have to be made again when a server is lost.
  int snapshot_interval_chunks = 4;
  // Hears, from Next(), that a session goes on again whose break `on_break` heard of: VideoCall::server() says where.
  std::function<void()> on_mended;
};

// Frames ahead of the first chunk that a flag takes; a server refuses more than its first chunk has.
inline constexpr int kMostFirstFragmentFrames = 1000;

// Threads: Send(), Cancel() and Break() from any thread at any time; everything else from one thread. Cancel() and
// Break() wait for nothing, Send() for the flow control of a server that does not read.
class VideoCall {
 public:
  // Starts the session. `servers`, at least one and all of the same model, outlive the call; it begins with the first
  // and goes to another when that is full or gone. `authorization`: metadata of that name for each of its calls; empty:
  // none.
  VideoCall(std::vector<v1::VideoGenerationService::StubInterface*> servers, v1::SessionConfig config,
            const ResumeOptions& options, std::string authorization = "");
  // Cancels the session if it still runs.
  ~VideoCall();
  VideoCall(const VideoCall&) = delete;
  VideoCall& operator=(const VideoCall&) = delete;

  // Waits for the server's next message. nullopt: the session is over and Finish() says how. Chunks are checked first:
  // a gap in their numbers, a wrong checksum or a first chunk that does not begin with its first fragment ends it with
  // DataLoss, so what comes out of here is whole and in order, each message once. client/video_bytes.h makes one video
  // of fragment and chunks.
  std::optional<v1::StreamVideoResponse> Next();

  // Sends one control message; `config` has gone out already. What a broken connection may have swallowed is sent again
  // if the session has not got it; what comes while no server has the session is sent once one has. A session that is
  // over ignores it: Finish() says why.
  void Send(const v1::StreamVideoRequest& request);

  // Asks the server to stop at once. Next() may still return what is on its way, then nullopt; Finish() says Cancelled.
  void Cancel();

  // Breaks the connection off under the session, as a network does. For tests and for the load tool.
  void Break();

  // How the session ended. Call it after Next() has returned nullopt. Errors carry the server's google.rpc details
  // (client/call_status.h reads them).
  absl::Status Finish();

  // Index of the server that has the session, or had it last, or is asked for it.
  size_t server() const { return server_; }
  int64_t resumes() const { return resumes_; }
  // Times that another server, or the same one anew, has gone on from a snapshot.
  int64_t hand_overs() const { return hand_overs_; }

 private:
  using Stream = grpc::ClientReaderWriterInterface<v1::StreamVideoRequest, v1::StreamVideoResponse>;
  struct Connection {
    v1::VideoGenerationService::StubInterface* server = nullptr;
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
  };

  // A CancelSession on its way.
  struct Farewell {
    grpc::ClientContext context;
    grpc::CompletionQueue answered;  // once
    std::unique_ptr<grpc::ClientAsyncResponseReaderInterface<v1::CancelSessionResponse>> call;
    v1::CancelSessionResponse response;
    grpc::Status status;
  };

  // What to do when a call is over: begin anew, resume by token, go on from the snapshot.
  enum class Step { kEnd, kStart, kResume, kGoOn };

  void Open(const v1::StreamVideoRequest& first);
  // The call is over with `status`: opens the next one, or nothing when that is the session's end.
  bool OpenAgain(const absl::Status& status);
  Step Decide(const absl::Status& status) const;
  v1::StreamVideoRequest FirstMessage(Step next) const;
  // False when the session was cancelled meanwhile.
  bool WaitALittle();
  // Whether the caller is to see it.
  bool Accept(v1::StreamVideoResponse* response);
  bool AcceptChunk(v1::VideoChunk* chunk);
  bool AcceptFirstFragment(const v1::FirstFragment& fragment);
  void TakeStarted(const v1::SessionStarted& started);
  void TakeSnapshot(const v1::SessionSnapshot& snapshot);
  void SendWhatWasLost(int64_t controls_received) ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);
  void AcknowledgeNowAndThen();
  absl::Status CheckChunk(const v1::VideoChunk& chunk);
  absl::Status CloseStream();
  // Waits until the server knows that the session was cancelled, or cannot be told.
  void AwaitFarewell();

  const std::vector<v1::VideoGenerationService::StubInterface*> servers_;
  const v1::SessionConfig config_;
  const ResumeOptions options_;
  const std::string authorization_;

  Mutex mutex_;
  CondVar cancel_came_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // Replaced under the mutex, by the one thread; that one reads it without. Shared with a Cancel() in progress.
  std::shared_ptr<Connection> connection_;
  std::optional<v1::SessionStarted> started_;  // as above
  std::shared_ptr<Farewell> farewell_ ABSL_GUARDED_BY(mutex_);

  // Held while one is written, so that controls go out one by one, in their order. Never together with the other mutex.
  Mutex send_mutex_;
  // Whether `connection_` takes controls. It stays as long as this is true; until then they wait for its `started`.
  bool takes_controls_ ABSL_GUARDED_BY(send_mutex_) = false;
  // What was sent of late, each with how many were sent before it.
  std::deque<std::pair<int64_t, v1::StreamVideoRequest>> controls_ ABSL_GUARDED_BY(send_mutex_);
  int64_t controls_sent_ ABSL_GUARDED_BY(send_mutex_) = 0;

  size_t server_ = 0;           // in use
  size_t refused_by_ = 0;       // servers in a row that did not take the start
  bool server_answers_ = true;  // the latest call was taken
  bool going_on_ = false;       // a server is looked for that goes on from the snapshot
  std::optional<v1::SessionSnapshot> snapshot_;
  int64_t snapshot_controls_ = 0;                    // controls that it knows of
  std::string init_segment_;                         // that the caller has
  std::optional<v1::FirstFragment> first_fragment_;  // that the caller has, until chunk 0 is there
  int64_t hand_overs_ = 0;

  int64_t next_sequence_ = 0;
  int64_t last_event_ = 0;
  int64_t acknowledged_through_ = -1;
  absl::Time acknowledged_at_ = absl::InfinitePast();
  absl::Time give_up_at_ = absl::InfiniteFuture();
  std::optional<absl::Status> cause_;  // why the call broke off that is being mended
  absl::Duration pause_;
  int64_t resumes_ = 0;
  absl::Status damage_;  // what CheckChunk() found
  std::optional<absl::Status> end_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_VIDEO_CALL_H_
