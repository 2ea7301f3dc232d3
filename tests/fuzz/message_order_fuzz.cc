// Any order of messages on StreamVideo, at a whole server on real sockets, against docs/protocol.md: what the page
// allows never fails, what it forbids is refused with the reason that it names, a call that breaks off is gone on with
// as the page says, and nothing hangs (every call has a deadline). Each byte is a move: its low half says which, its
// high half with what.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/known_session.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using Request = v1::StreamVideoRequest;

// Fewer changes than may wait for one chunk, and fewer chunks than are kept.
constexpr size_t kMaxMoves = 60;
constexpr int64_t kMaxGranted = 12;
constexpr int kWalksPerServer = 200;

std::string CodeAndReason(const grpc::Status& status) {
  if (status.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), " ",
                      RefusalOf(status).reason);
}

// One client. Sessions follow each other on it.
class Walk {
 public:
  explicit Walk(std::shared_ptr<grpc::Channel> connection) : connection_(std::move(connection)) {}

  void Move(uint8_t byte) {
    absl::StrAppend(&Trace(), " ", byte & 15, ":", byte >> 4);
    if (stream_ == nullptr) {
      Open(byte & 15, byte >> 4);
    } else {
      GoOn(byte & 15, byte >> 4);
    }
  }

  // What has been started is brought to its end.
  void Conclude() {
    if (stream_ == nullptr) return;
    if (closed_ && session_.resumable) Reconnect(/*cancel_first=*/false);
    if (closed_ && (session_.paused || !session_.MayBeOver())) return Leave();
    if (session_.paused) Say(UnpauseRequest());
    if (!session_.finish_said && session_.length > session_.granted) {
      Say(ChunkCreditRequest(session_.length - session_.granted));
    }
    if (!session_.finish_said && session_.length == 0) Say(FinishRequest());
    HearTheEnd();
  }

 private:
  void Open(int move, int with) {
    stream_ = std::make_unique<TestStream>(connection_);
    closed_ = false;
    session_ = KnownSession();
    switch (move) {
      case 0:
        return Refused(ChunkCreditRequest(1), "INVALID_ARGUMENT CONFIG_MISSING");
      case 1:
        return Refused(PromptRequest("a blue square"), "INVALID_ARGUMENT CONFIG_MISSING");
      case 2:
        return Refused(Request(), "INVALID_ARGUMENT CONFIG_MISSING");
      case 3: {
        Request resume;
        resume.mutable_resume()->set_resume_token("nobody's");
        return Refused(resume, "UNAUTHENTICATED RESUME_TOKEN_INVALID");
      }
      case 4: {
        Request resume;
        resume.mutable_resume()->mutable_snapshot()->set_state("no snapshot");
        return Refused(resume, "INVALID_ARGUMENT SNAPSHOT_MALFORMED");
      }
      case 5:
        stream_->CloseSending();
        return ExpectEnd("INVALID_ARGUMENT CONFIG_MISSING");
      default:
        session_.resumable = with % 2 != 0;
        session_.length = with / 2 % 4;
        session_.granted = with / 8;
        v1::SessionConfig config = WithChunkCredits(RawConfig(static_cast<int>(session_.length), 7), session_.granted);
        config.set_resumable(session_.resumable);
        session_.first_fragment_frames = move % 2;
        config.mutable_output()->set_first_fragment_frames(session_.first_fragment_frames);
        stream_->SendConfig(config);
        const auto started = stream_->Next();
        Demand(started.has_value() && started->has_started(), "a good config is not started");
        session_.id = started->started().session_id();
        session_.token = started->started().resume_token();
    }
  }

  void GoOn(int move, int with) {
    // What is said behind the end of what the client says is not heard.
    if (closed_ && move > 2) return;
    switch (move) {
      case 0:
        return Sync();
      case 1:
        return session_.resumable ? Reconnect(/*cancel_first=*/true) : Leave();
      case 2:
        if (session_.resumable) Reconnect(/*cancel_first=*/false);
        return;
      case 3:
        if (session_.granted < kMaxGranted) Say(ChunkCreditRequest(1 + with % 2));
        return;
      case 4:
        return Say(PromptRequest("a blue square", session_.next_update_id));
      case 5:
        return Say(SceneCutRequest("a green circle", session_.next_update_id));
      case 6:
        return Say(PauseRequest());
      case 7:
        return Say(UnpauseRequest());
      case 8:
        return Say(FinishRequest());
      case 9:
        return Ack(with);
      case 10: {
        Request snapshot;
        snapshot.mutable_snapshot();
        return session_.resumable ? Say(snapshot) : Refused(snapshot, "INVALID_ARGUMENT NOT_RESUMABLE");
      }
      case 11:
        return Refused(BudgetRequest(0.35), "INVALID_ARGUMENT UNSUPPORTED_VALUE");
      case 12:
        return Refused(ConfigRequest(RawConfig(1, 1)), "INVALID_ARGUMENT CONFIG_REPEATED");
      case 13: {
        Request resume;
        resume.mutable_resume()->set_resume_token(session_.token);
        return Refused(resume, "INVALID_ARGUMENT RESUME_REPEATED");
      }
      case 14:
        return Refused(Request(), "INVALID_ARGUMENT REQUEST_NOT_SET");
      default:
        closed_ = true;
        stream_->CloseSending();
    }
  }

  // A message that the page allows.
  void Say(const Request& request) {
    session_.Say(request);
    stream_->Send(request);
  }

  void Ack(int with) {
    Request ack;
    if (with % 4 == 0) {
      ack.mutable_ack()->set_sequence(1000);
      return Refused(ack, "INVALID_ARGUMENT OUT_OF_RANGE");
    }
    if (session_.received == 0) return;
    ack.mutable_ack()->set_sequence(with % session_.received);
    stream_->Send(ack);
  }

  // A message that the page forbids: the call and its session are over. One that has ended before may not have heard
  // it.
  void Refused(const Request& request, const std::string& reason) {
    stream_->Send(request);
    ++session_.forbidden;
    while (const auto response = stream_->Next()) session_.Hear(*response);
    if (!session_.finished.empty() && stream_->status().ok()) {
      Demand(session_.MayBeOver(), "an end that nobody asked for");
      return HearTheEnd();
    }
    ExpectEnd(reason);
  }

  void ExpectEnd(const std::string& reason) {
    while (const auto response = stream_->Next()) session_.Hear(*response);
    const std::string end = CodeAndReason(stream_->status());
    Demand(end == reason, absl::StrCat("the call ended with ", end, " instead of ", reason));
    stream_.reset();
    if (!session_.token.empty()) ExpectGone();
  }

  // Nothing is left of a session that was refused.
  void ExpectGone() {
    TestStream stream(connection_);
    Request resume;
    resume.mutable_resume()->set_resume_token(session_.token);
    stream.Send(resume);
    const std::string end = CodeAndReason(stream.status());
    Demand(end == "DATA_LOSS REPLAY_WINDOW_LOST", "a session that is gone answers " + end);
  }

  // The client is gone, and its session with it.
  void Leave() {
    stream_->Cancel();
    stream_.reset();
  }

  void HearNext() {
    const auto response = stream_->Next();
    if (!response.has_value()) {
      return Demand(false, "the call ended while something was owed: " + CodeAndReason(stream_->status()));
    }
    session_.Hear(*response);
  }

  // Until all has come that must come whatever is said next.
  void Sync() {
    while (session_.received < session_.ChunksToCome()) HearNext();
    while (session_.pause_owed && !session_.MayBeOver()) HearNext();
    while (session_.snapshot_owed && !session_.MayBeOver()) HearNext();
  }

  // Another call for the session: behind the end of this one, or taking over from it.
  void Reconnect(bool cancel_first) {
    const std::unique_ptr<TestStream> before = std::move(stream_);
    if (cancel_first) before->Cancel();
    stream_ = std::make_unique<TestStream>(connection_);
    closed_ = false;
    Request resume;
    resume.mutable_resume()->set_resume_token(session_.token);
    if (session_.received > 0) resume.mutable_resume()->set_last_sequence(session_.received - 1);
    stream_->Send(resume);
    const auto response = stream_->Next();
    if (!response.has_value()) Demand(false, "a resume was refused: " + CodeAndReason(stream_->status()));
    Demand(response->has_started() && response->started().resumed(), "a resume that starts with something else");
    Demand(response->started().session_id() == session_.id, "a resume that leads to another session");
    Demand(response->started().next_sequence() == session_.received, "a resume that goes on somewhere else");
    const std::string end = CodeAndReason(before->status());
    Demand(cancel_first || end == "ABORTED SUPERSEDED" || (end == "OK" && session_.MayBeOver()),
           "a call that was taken over from ends with " + end);
    const auto taken = static_cast<size_t>(response->started().controls_received());
    Demand(taken <= session_.controls.size() + session_.forbidden, "more was taken than was said");
    for (size_t i = taken; i < session_.controls.size(); ++i) stream_->Send(session_.controls[i]);
  }

  void HearTheEnd() {
    while (const auto response = stream_->Next()) session_.Hear(*response);
    const std::string end = CodeAndReason(stream_->status());
    Demand(end == "OK", "a good session ended with " + end);
    const bool whole = session_.length > 0 && session_.received == session_.length;
    Demand(session_.finished == (whole ? "LENGTH_REACHED" : "FINISH_REQUESTED"),
           "finished with reason \"" + session_.finished + "\"");
    Demand(whole || session_.finish_said, "an end that nobody asked for");
    Demand(!session_.snapshot_owed, "a snapshot that never came");
    // A change that waits when the session is asked to finish may not get the chunk that it waits for.
    for (const int64_t id : session_.changes) {
      Demand(session_.finish_said || session_.applied.count(id) > 0, "a change that never applied");
    }
    if (!session_.resumable) {
      stream_.reset();
      return ExpectGone();
    }
    Reconnect(/*cancel_first=*/true);
    while (const auto response = stream_->Next()) session_.Hear(*response);
    Demand(stream_->status().ok(), "the end, told again, is " + CodeAndReason(stream_->status()));
    stream_.reset();
    Forget();
    ExpectGone();
  }

  void Forget() {
    grpc::ClientContext context;
    v1::CancelSessionRequest request;
    request.set_session_id(session_.id);
    request.set_resume_token(session_.token);
    v1::CancelSessionResponse response;
    const auto stub = v1::VideoGenerationService::NewStub(connection_);
    Demand(stub->CancelSession(&context, request, &response).ok(), "a session that cannot be cancelled");
  }

  const std::shared_ptr<grpc::Channel> connection_;
  std::unique_ptr<TestStream> stream_;  // null: no call
  bool closed_ = false;                 // on the client's side
  KnownSession session_;
};

// One for many walks: to start one costs more than a walk. Not for all, since the fake model remembers what it saw.
TestServer& SharedServer() {
  static auto& server = *new std::unique_ptr<TestServer>();
  static int walks = 0;
  if (walks++ % kWalksPerServer == 0) {
    ServerConfig config = TestConfig();
    config.rpc_limits.control_message_burst = 1'000'000;
    server.reset();
    server = std::make_unique<TestServer>(config);
  }
  return *server;
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using videodiffcr::kMaxMoves;
  videodiffcr::Trace().clear();
  videodiffcr::TestServer& server = videodiffcr::SharedServer();
  videodiffcr::Walk walk(server.NewConnection());
  for (size_t i = 0; i < std::min(size, kMaxMoves); ++i) walk.Move(data[i]);
  walk.Conclude();
  for (const std::string& rule : server.model().broken_rules()) {
    videodiffcr::Demand(false, "the server used its model against the rules: " + rule);
  }
  return 0;
}
