// Walks the tables of docs/protocol.md on real sockets: every message in every state, and what the server answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/integration/refusal.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using ::testing::UnorderedElementsAreArray;
using Request = v1::StreamVideoRequest;
using Response = v1::StreamVideoResponse;

std::string CodeAndReason(const grpc::Status& status) {
  if (status.ok()) return "OK";
  const std::string reason = RefusalOf(status).reason;
  return absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), " ", reason);
}

// What the answers on a call say, chunks and most states left out, and how it ended.
std::string Summary(TestStream* stream) {
  std::vector<std::string> said;
  for (const Response& response : stream->Rest()) {
    if (response.has_update_applied()) said.push_back("update_applied");
    if (response.has_warning()) said.push_back("warning " + response.warning().reason());
    if (response.has_finished()) said.push_back("finished " + response.finished().reason());
    if (response.has_state_changed() && response.state_changed().state() == v1::SESSION_STATE_PAUSED) {
      said.push_back("paused");
    }
  }
  said.push_back(CodeAndReason(stream->status()));
  return absl::StrJoin(said, ", ");
}

// A row of the first table: the message, and the answers in the states opened, running and ending.
struct Row {
  std::string name;                // as the page has it
  std::optional<Request> message;  // nullopt: the client closes its side
  std::string opened, running, ending;
};

Request AckRequest(int64_t sequence) {
  Request request;
  request.mutable_ack()->set_sequence(sequence);
  return request;
}

Request ResumeRequest(const std::string& token, std::optional<int64_t> last_sequence = std::nullopt) {
  Request request;
  request.mutable_resume()->set_resume_token(token);
  if (last_sequence.has_value()) request.mutable_resume()->set_last_sequence(*last_sequence);
  return request;
}

Request SnapshotResumeRequest(const std::string& state) {
  Request request;
  request.mutable_resume()->mutable_snapshot()->set_state(state);
  return request;
}

Request SnapshotRequest() {
  Request request;
  request.mutable_snapshot();
  return request;
}

constexpr char kMissing[] = "INVALID_ARGUMENT CONFIG_MISSING";
constexpr char kGoesOn[] = "finished LENGTH_REACHED, OK";
constexpr char kFinishes[] = "finished FINISH_REQUESTED, OK";
constexpr char kTooLate[] = "warning CHANGE_TOO_LATE, finished FINISH_REQUESTED, OK";

const std::vector<Row>& Rows() {
  static const auto& rows = *new std::vector<Row>{
      {"`config`", ConfigRequest(RawConfig(3, 1)), kGoesOn, "INVALID_ARGUMENT CONFIG_REPEATED",
       "INVALID_ARGUMENT CONFIG_REPEATED"},
      {"`resume`", SnapshotResumeRequest("no snapshot"), "INVALID_ARGUMENT SNAPSHOT_MALFORMED",
       "INVALID_ARGUMENT RESUME_REPEATED", "INVALID_ARGUMENT RESUME_REPEATED"},
      {"`resume`", ResumeRequest("nobody's"), "UNAUTHENTICATED RESUME_TOKEN_INVALID",
       "INVALID_ARGUMENT RESUME_REPEATED", "INVALID_ARGUMENT RESUME_REPEATED"},
      {"`update`, `scene_cut`", PromptRequest("a blue square"), kMissing, "update_applied, finished LENGTH_REACHED, OK",
       kTooLate},
      {"`update`, `scene_cut`", SceneCutRequest(""), kMissing, "INVALID_ARGUMENT PROMPT_EMPTY",
       "INVALID_ARGUMENT PROMPT_EMPTY"},
      {"`update`, `scene_cut`", SceneCutRequest("a blue square"), kMissing,
       "update_applied, finished LENGTH_REACHED, OK", kTooLate},
      {"`credit`", ChunkCreditRequest(1), kMissing, kGoesOn, kFinishes},
      {"`ack`", AckRequest(0), kMissing, kGoesOn, kFinishes},
      {"`ack`", AckRequest(1000), kMissing, "INVALID_ARGUMENT OUT_OF_RANGE", "INVALID_ARGUMENT OUT_OF_RANGE"},
      {"`pause`", PauseRequest(), kMissing, "paused, finished LENGTH_REACHED, OK", kFinishes},
      {"`unpause`", UnpauseRequest(), kMissing, kGoesOn, kFinishes},
      {"`finish`", FinishRequest(), kMissing, kFinishes, kFinishes},
      {"`snapshot`", SnapshotRequest(), kMissing, "INVALID_ARGUMENT NOT_RESUMABLE", "INVALID_ARGUMENT NOT_RESUMABLE"},
      {"none of these", Request(), kMissing, "INVALID_ARGUMENT REQUEST_NOT_SET", "INVALID_ARGUMENT REQUEST_NOT_SET"},
      {"the client closes its side", std::nullopt, kMissing, kGoesOn, kFinishes},
  };
  return rows;
}

void Say(TestStream* stream, const std::optional<Request>& message) {
  if (message.has_value()) {
    stream->Send(*message);
  } else {
    stream->CloseSending();
  }
}

// Every test has a server of its own, so that nothing of one row is left for the next.
TEST(ProtocolTest, EveryMessageBeforeTheFirst) {
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    TestServer server;
    TestStream stream(server.NewConnection());
    Say(&stream, row.message);
    EXPECT_EQ(Summary(&stream), row.opened);
  }
}

TEST(ProtocolTest, EveryMessageWhileASessionRuns) {
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    TestServer server;
    TestStream stream(server.NewConnection(), WithChunkCredits(RawConfig(3, 1), 1));
    ASSERT_TRUE(stream.NextChunk().has_value());
    ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
    // In this order on one stream: the session goes on when the message has been taken.
    if (row.message.has_value()) stream.Send(*row.message);
    stream.Send(ChunkCreditRequest(2));
    if (row.message.has_value() && row.message->has_pause()) {
      ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_PAUSED));
      stream.Send(UnpauseRequest());
      EXPECT_EQ("paused, " + Summary(&stream), row.running);
      continue;
    }
    if (!row.message.has_value()) stream.CloseSending();
    EXPECT_EQ(Summary(&stream), row.running);
  }
}

TEST(ProtocolTest, EveryMessageWhileASessionIsEnding) {
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    TestServer server;
    TestStream stream(server.NewConnection(), WithChunkCredits(RawConfig(0, 1), 1));
    ASSERT_TRUE(stream.NextChunk().has_value());
    ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
    server.model().HoldPlans();
    stream.Send(ChunkCreditRequest(1));
    ASSERT_TRUE(server.model().WaitForHeldPlan().has_value());
    stream.Send(FinishRequest());
    ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_FINISHING));
    // What comes too late is answered at once, so it tells that the message before it was taken.
    if (row.message.has_value()) stream.Send(*row.message);
    stream.Send(PromptRequest("too late"));
    const bool refused = row.ending.substr(0, 7) == "INVALID";
    const bool warned = row.ending == kTooLate;
    for (int i = 0; !refused && i < (warned ? 2 : 1); ++i) {
      ASSERT_EQ(stream.NextOf(Response::kWarning)->warning().reason(), "CHANGE_TOO_LATE");
    }
    if (!row.message.has_value()) stream.CloseSending();
    // A refusal does not wait for the chunk in progress; the end of the session does.
    const std::optional<std::string> at_once = refused ? std::optional(Summary(&stream)) : std::nullopt;
    server.model().FreePlans();
    if (refused) {
      EXPECT_EQ(*at_once, row.ending);
      continue;
    }
    EXPECT_EQ((warned ? "warning CHANGE_TOO_LATE, " : "") + Summary(&stream), row.ending);
  }
}

// --- from beside the call ---

enum class Stands { kConnected, kWaiting, kOverKept, kGone };

// A session of three chunks, of which one is kept, brought to where it stands.
class BesideTest : public ::testing::TestWithParam<Stands> {
 protected:
  static ServerConfig OneChunkKept() {
    ServerConfig config = TestConfig();
    config.replay_limits.chunks = 1;
    config.advertised_ip = "127.0.0.1";
    return config;
  }
  BesideTest()
      : config_(WithChunkCredits(RawConfig(4, 1), GetParam() == Stands::kOverKept ? 4 : 3)),
        connection_(server_.NewConnection()),
        stub_(v1::VideoGenerationService::NewStub(connection_)) {
    config_.set_resumable(true);
    config_.set_request_id("order-17");
    owner_ = std::make_unique<TestStream>(connection_, config_);
    started_ = owner_->NextOf(Response::kStarted)->started();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(owner_->NextChunk().has_value());
    // Which comes behind the third chunk, so the server knows that this has left.
    if (GetParam() != Stands::kOverKept) {
      EXPECT_TRUE(owner_->WaitForState(v1::SESSION_STATE_BLOCKED));
    }
    if (GetParam() == Stands::kWaiting) owner_->Cancel();
    if (GetParam() == Stands::kOverKept) {
      EXPECT_TRUE(owner_->status().ok());
    }
    if (GetParam() == Stands::kGone) {
      EXPECT_EQ(Cancel(started_.resume_token()), "OK");
    }
    if (GetParam() != Stands::kConnected) owner_->Rest();
  }

  // "goes on" when the call is given the session.
  std::string Open(const Request& first) {
    TestStream stream(connection_);
    stream.Send(first);
    const auto response = stream.Next();
    if (!response.has_value()) return CodeAndReason(stream.status());
    if (!response->has_started()) return "something else";
    return response->started().session_id() == started_.session_id() ? "goes on" : "a new session";
  }
  std::string Resume(std::optional<int64_t> last) { return Open(ResumeRequest(started_.resume_token(), last)); }
  std::string StartAgain(v1::SessionConfig config) { return Open(ConfigRequest(config)); }
  std::string Update(const std::string& token, bool change) {
    v1::UpdateSessionRequest request;
    request.set_session_id(started_.session_id());
    request.set_resume_token(token);
    if (change) {
      request.mutable_update()->set_prompt("a blue square");
    } else {
      request.mutable_pause();
    }
    grpc::ClientContext context;
    v1::UpdateSessionResponse response;
    return CodeAndReason(stub_->UpdateSession(&context, request, &response));
  }
  std::string Cancel(const std::string& token) {
    v1::CancelSessionRequest request;
    request.set_session_id(started_.session_id());
    request.set_resume_token(token);
    grpc::ClientContext context;
    v1::CancelSessionResponse response;
    return CodeAndReason(stub_->CancelSession(&context, request, &response));
  }
  std::string Watch(const std::string& token) {
    v1::WatchSessionRequest request;
    request.set_session_id(started_.session_id());
    request.set_watch_token(token);
    grpc::ClientContext context;
    const auto stream = stub_->WatchSession(&context, request);
    v1::WatchSessionResponse response;
    if (stream->Read(&response)) {
      context.TryCancel();
      while (stream->Read(&response)) {
      }
      (void)stream->Finish();
      return "watches";
    }
    return CodeAndReason(stream->Finish());
  }
  // By where the session stands: connected, waiting, over but kept, gone.
  static std::string Wanted(const std::vector<std::string>& cells) { return cells[static_cast<int>(GetParam())]; }

  TestServer server_{OneChunkKept()};
  v1::SessionConfig config_;
  std::shared_ptr<grpc::Channel> connection_;
  std::unique_ptr<v1::VideoGenerationService::Stub> stub_;
  std::unique_ptr<TestStream> owner_;
  v1::SessionStarted started_;
};

constexpr char kLost[] = "DATA_LOSS REPLAY_WINDOW_LOST";
constexpr char kOutOfRange[] = "INVALID_ARGUMENT OUT_OF_RANGE";

TEST_P(BesideTest, ResumeGoesOnAndTheCallBeforeIsTold) {
  EXPECT_EQ(Resume(2), Wanted({"goes on", "goes on", "goes on", kLost}));
  if (GetParam() == Stands::kConnected) {
    EXPECT_EQ(CodeAndReason(owner_->status()), "ABORTED SUPERSEDED");
  }
}

TEST_P(BesideTest, AResumeThatCannotBeChangesNothing) {
  EXPECT_EQ(Resume(0), Wanted({kLost, kLost, kLost, kLost})) << "chunk 1 is not kept any more";
  EXPECT_EQ(Resume(1000), Wanted({kOutOfRange, kOutOfRange, kOutOfRange, kLost})) << "which was never sent";
  EXPECT_EQ(Open(ResumeRequest(started_.resume_token() + "0")), "UNAUTHENTICATED RESUME_TOKEN_INVALID");
  EXPECT_EQ(Open(ResumeRequest(started_.watch_token())), "UNAUTHENTICATED RESUME_TOKEN_INVALID");
  EXPECT_EQ(Resume(2), Wanted({"goes on", "goes on", "goes on", kLost}));
}

TEST_P(BesideTest, TheSameStartIsTheSameSessionAndAnotherIsRefused) {
  v1::SessionConfig other = config_;
  other.set_seed(2);
  const std::string in_use = "ALREADY_EXISTS REQUEST_ID_IN_USE";
  EXPECT_EQ(StartAgain(other), Wanted({in_use, in_use, in_use, "a new session"}));
  // From its beginning, of which nothing is kept here.
  if (GetParam() != Stands::kGone) {
    EXPECT_EQ(StartAgain(config_), kLost);
  }
}

TEST_P(BesideTest, ControlsFromBesideTheCall) {
  EXPECT_EQ(Update(started_.watch_token(), true), "UNAUTHENTICATED RESUME_TOKEN_INVALID");
  EXPECT_EQ(Update(started_.resume_token(), true),
            Wanted({"OK", "OK", "FAILED_PRECONDITION CHANGE_TOO_LATE", "NOT_FOUND SESSION_OVER"}));
  EXPECT_EQ(Update(started_.resume_token(), false), Wanted({"OK", "OK", "OK", "NOT_FOUND SESSION_OVER"}));
}

TEST_P(BesideTest, CancelSessionIsTheEndWhereverItStands) {
  EXPECT_EQ(Cancel("nobody's"), "UNAUTHENTICATED RESUME_TOKEN_INVALID");
  EXPECT_EQ(Cancel(started_.resume_token()), "OK");
  EXPECT_EQ(Resume(2), kLost);
  if (GetParam() == Stands::kConnected) {
    EXPECT_EQ(CodeAndReason(owner_->status()), "CANCELLED CANCELLED");
  }
}

TEST_P(BesideTest, ATokenOfAnotherServerIsToldSo) {
  const auto elsewhere = [](const std::string& token) { return "MTAuMS4yLjM6MQ==" + token.substr(token.find('.')); };
  EXPECT_EQ(Open(ResumeRequest(elsewhere(started_.resume_token()))), "DATA_LOSS SESSION_ELSEWHERE");
  EXPECT_EQ(Update(elsewhere(started_.resume_token()), true), "NOT_FOUND SESSION_ELSEWHERE");
  EXPECT_EQ(Cancel(elsewhere(started_.resume_token())), "NOT_FOUND SESSION_ELSEWHERE");
  EXPECT_EQ(Watch(elsewhere(started_.watch_token())), "NOT_FOUND SESSION_ELSEWHERE");
}

TEST_P(BesideTest, WatchersJoinWhatRuns) {
  EXPECT_EQ(Watch(started_.resume_token()), "UNAUTHENTICATED WATCH_TOKEN_INVALID");
  const std::string over = "NOT_FOUND SESSION_OVER";
  EXPECT_EQ(Watch(started_.watch_token()), Wanted({"watches", "watches", over, over}));
}

TEST_P(BesideTest, AnotherSessionGoesOnFromASnapshotWhateverHasBecomeOfThisOne) {
  Request request;
  TestStream stream(connection_);
  v1::SessionConfig config = config_;
  config.set_request_id("order-18");
  config.set_snapshot_interval_chunks(2);
  stream.Send(ConfigRequest(config));
  *request.mutable_resume()->mutable_snapshot() = stream.NextOf(Response::kSnapshot)->snapshot();
  stream.Cancel();
  TestStream next(connection_);
  next.Send(request);
  const v1::SessionStarted started = next.NextOf(Response::kStarted)->started();
  EXPECT_NE(started.session_id(), started_.session_id());
  EXPECT_EQ(started.next_sequence(), 2);
  next.Cancel();
  EXPECT_EQ(Resume(2), Wanted({"goes on", "goes on", "goes on", kLost}));
}

INSTANTIATE_TEST_SUITE_P(States, BesideTest,
                         ::testing::Values(Stands::kConnected, Stands::kWaiting, Stands::kOverKept, Stands::kGone));

// Rows of the table whose heading begins with `heading`: their first cells.
std::set<std::string> RowsOfThePage(const std::string& heading) {
  std::ifstream page(absl::StrCat(std::getenv("VIDEODIFFCR_SOURCE_DIR"), "/docs/protocol.md"));
  std::set<std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.substr(0, heading.size()) == heading) {
      inside = true;
    } else if (inside && line.substr(0, 2) != "| ") {
      if (line.substr(0, 4) != "|---") break;
    } else if (inside) {
      const std::vector<std::string> cells = absl::StrSplit(line, " | ");
      rows.insert(std::string(absl::StripPrefix(cells.front(), "| ")));
    }
  }
  return rows;
}

TEST(ProtocolTest, ThePageHasNoRowThatNobodyWalks) {
  std::set<std::string> walked;
  for (const Row& row : Rows()) walked.insert(row.name);
  // These have tests of their own: control_test.cc, limits_test.cc and resume_test.cc.
  walked.insert("the client cancels, or the connection breaks");
  walked.insert("no message for `first_message_timeout`");
  EXPECT_THAT(RowsOfThePage("| message | opened"), UnorderedElementsAreArray(walked));
}

}  // namespace
}  // namespace videodiffcr
