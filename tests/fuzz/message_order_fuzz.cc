// Any order of messages on StreamVideo, at a whole server on real sockets, against docs/protocol.md: what the page
// allows never fails, what it forbids is refused with the reason that it names, a call that breaks off is gone on with
// as the page says, and nothing hangs (every call has a deadline). Each byte is a move: its low half says which, its
// high half with what.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using Request = v1::StreamVideoRequest;
using Response = v1::StreamVideoResponse;

// Fewer changes than may wait for one chunk, and fewer chunks than are kept.
constexpr size_t kMaxMoves = 60;
constexpr int64_t kMaxGranted = 12;
constexpr int kWalksPerServer = 200;

// The moves of the walk, told when one goes wrong.
std::string& Trace() {
  static auto& trace = *new std::string();
  return trace;
}

void Require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\nbehind these moves:%s\n", what.c_str(), Trace().c_str());
  std::abort();
}

std::string CodeAndReason(const grpc::Status& status) {
  if (status.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), " ",
                      RefusalOf(status).reason);
}

// What the client of one session knows, over all its calls, and what follows from it by the page.
struct Session {
  bool resumable = false;
  int64_t length = 0;  // 0: until `finish`
  int first_fragment_frames = 0;
  // Said.
  int64_t granted = 0;
  bool paused = false;
  bool finish_said = false;
  std::vector<Request> controls;  // all but acks: what is lost with a call is said again
  size_t forbidden = 0;           // messages beside these; one that meets the session's end may still count as taken
  std::set<int64_t> changes;      // update ids of changes that came in time whatever happened
  int64_t next_update_id = 1;
  // Heard.
  std::string id, token;
  int64_t received = 0;
  std::string first_fragment;
  int64_t last_event = 0;
  std::set<int64_t> applied;
  std::string finished;  // reason
  // Owed.
  bool pause_owed = false;
  bool snapshot_owed = false;

  // It may have made its last chunk, or be about to.
  bool MayBeOver() const { return finish_said || (length > 0 && granted >= length); }
  int64_t ChunksToCome() const {
    if (paused || finish_said) return received;
    return length > 0 ? std::min(granted, length) : granted;
  }
};

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
    session_ = Session();
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
        Require(started.has_value() && started->has_started(), "a good config is not started");
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
    const bool in_time = !session_.MayBeOver();
    if (request.has_update() || request.has_scene_cut()) {
      if (in_time) session_.changes.insert(session_.next_update_id);
      ++session_.next_update_id;
    }
    if (request.has_credit()) session_.granted += request.credit().chunks();
    if (request.has_pause()) {
      session_.pause_owed = session_.pause_owed || (in_time && !session_.paused);
      session_.paused = true;
    }
    if (request.has_unpause()) session_.paused = session_.pause_owed = false;
    if (request.has_finish()) session_.finish_said = true;
    if (request.has_snapshot() && in_time) session_.snapshot_owed = true;
    session_.controls.push_back(request);
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
    while (const auto response = stream_->Next()) Hear(*response);
    if (!session_.finished.empty() && stream_->status().ok()) {
      Require(session_.MayBeOver(), "an end that nobody asked for");
      return HearTheEnd();
    }
    ExpectEnd(reason);
  }

  void ExpectEnd(const std::string& reason) {
    while (const auto response = stream_->Next()) Hear(*response);
    const std::string end = CodeAndReason(stream_->status());
    Require(end == reason, absl::StrCat("the call ended with ", end, " instead of ", reason));
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
    Require(end == "DATA_LOSS REPLAY_WINDOW_LOST", "a session that is gone answers " + end);
  }

  // The client is gone, and its session with it.
  void Leave() {
    stream_->Cancel();
    stream_.reset();
  }

  void HearFirstFragment(const Response& response) {
    Require(session_.first_fragment_frames > 0, "a first fragment that nobody has asked for");
    Require(response.event_number() == 0, "a first fragment with a number");
    Require(session_.received == 0, "a first fragment behind its chunk");
    Require(session_.first_fragment.empty(), "a second first fragment");
    session_.first_fragment = response.first_fragment().payload();
  }

  void Hear(const Response& response) {
    if (response.has_started()) return Require(false, "started twice");
    if (response.has_first_fragment()) return HearFirstFragment(response);
    Require(response.event_number() > 0, "an event without a number");
    if (response.event_number() <= session_.last_event) return;
    session_.last_event = response.event_number();
    Require(session_.finished.empty(), "something behind `finished`");
    if (response.has_chunk()) {
      const std::string& fragment = session_.first_fragment;
      Require(response.chunk().sequence() > 0 || response.chunk().payload().substr(0, fragment.size()) == fragment,
              "a first chunk that does not begin with its first fragment");
      Require(response.chunk().sequence() == session_.received++, "a chunk out of turn");
      Require(session_.received <= session_.granted, "a chunk that nobody has paid for");
    }
    if (response.has_update_applied()) {
      Require(session_.applied.insert(response.update_applied().update_id()).second, "a change that applies twice");
      Require(response.update_applied().first_chunk() >= session_.received, "a change of a chunk that was sent before");
    }
    if (response.has_state_changed() && response.state_changed().state() == v1::SESSION_STATE_PAUSED) {
      session_.pause_owed = false;
    }
    if (response.has_warning()) {
      Require(response.warning().reason() == "CHANGE_TOO_LATE" && session_.MayBeOver(), "a warning of something else");
    }
    if (response.has_snapshot()) session_.snapshot_owed = false;
    if (response.has_finished()) session_.finished = response.finished().reason();
  }

  void HearNext() {
    const auto response = stream_->Next();
    if (!response.has_value()) {
      return Require(false, "the call ended while something was owed: " + CodeAndReason(stream_->status()));
    }
    Hear(*response);
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
    if (!response.has_value()) Require(false, "a resume was refused: " + CodeAndReason(stream_->status()));
    Require(response->has_started() && response->started().resumed(), "a resume that starts with something else");
    Require(response->started().session_id() == session_.id, "a resume that leads to another session");
    Require(response->started().next_sequence() == session_.received, "a resume that goes on somewhere else");
    const std::string end = CodeAndReason(before->status());
    Require(cancel_first || end == "ABORTED SUPERSEDED" || (end == "OK" && session_.MayBeOver()),
            "a call that was taken over from ends with " + end);
    const auto taken = static_cast<size_t>(response->started().controls_received());
    Require(taken <= session_.controls.size() + session_.forbidden, "more was taken than was said");
    for (size_t i = taken; i < session_.controls.size(); ++i) stream_->Send(session_.controls[i]);
  }

  void HearTheEnd() {
    while (const auto response = stream_->Next()) Hear(*response);
    const std::string end = CodeAndReason(stream_->status());
    Require(end == "OK", "a good session ended with " + end);
    const bool whole = session_.length > 0 && session_.received == session_.length;
    Require(session_.finished == (whole ? "LENGTH_REACHED" : "FINISH_REQUESTED"),
            "finished with reason \"" + session_.finished + "\"");
    Require(whole || session_.finish_said, "an end that nobody asked for");
    Require(!session_.snapshot_owed, "a snapshot that never came");
    // A change that waits when the session is asked to finish may not get the chunk that it waits for.
    for (const int64_t id : session_.changes) {
      Require(session_.finish_said || session_.applied.count(id) > 0, "a change that never applied");
    }
    if (!session_.resumable) {
      stream_.reset();
      return ExpectGone();
    }
    Reconnect(/*cancel_first=*/true);
    while (const auto response = stream_->Next()) Hear(*response);
    Require(stream_->status().ok(), "the end, told again, is " + CodeAndReason(stream_->status()));
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
    Require(stub->CancelSession(&context, request, &response).ok(), "a session that cannot be cancelled");
  }

  const std::shared_ptr<grpc::Channel> connection_;
  std::unique_ptr<TestStream> stream_;  // null: no call
  bool closed_ = false;                 // on the client's side
  Session session_;
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
    videodiffcr::Require(false, "the server used its model against the rules: " + rule);
  }
  return 0;
}
