// Watchers of a session, beside the call that has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/rpc/session_call.h"
#include "server/rpc/watch_call.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Watch {
  FakeTransport transport;
  std::shared_ptr<WatchCall> call;

  // Else the session might still write to the transport.
  ~Watch() { call->OnCancel(); }
  // Takes what has been written, if there is anything.
  bool Read() {
    if (!transport.TakeWrite()) return false;
    call->OnWriteDone(true);
    return true;
  }
  // A watcher who reads on until the end.
  void ReadToTheEnd() {
    while (!transport.end().has_value()) {
      ASSERT_TRUE(transport.WaitForWriteOrEnd());
      Read();
    }
  }
};

class SessionWatchTest : public CallFixture {
 protected:
  // Starts a session that makes a chunk per credit, and reads its `started`.
  void StartSession(v1::SessionConfig config) {
    config.set_initial_chunk_credits(0);
    call_->Start(config);
    FinishOneWrite();
    started_ = transport_.responses().front().started();
  }
  // The session makes `count` chunks, and its owner reads them.
  void MakeChunks(int count) {
    v1::StreamVideoRequest credit;
    credit.mutable_credit()->set_chunks(count);
    call_->Control(credit);
    made_ += count;
    while (Chunks() < made_) ASSERT_NO_FATAL_FAILURE(FinishOneWrite());
  }
  // Until the session says that its credits are spent: by then every watcher has its latest chunk.
  void WaitUntilBlocked() {
    while (transport_.responses().back().state_changed().state() != v1::SESSION_STATE_BLOCKED) {
      ASSERT_NO_FATAL_FAILURE(FinishOneWrite());
    }
  }
  int Chunks() const {
    int chunks = 0;
    for (const v1::StreamVideoResponse& response : transport_.responses()) chunks += response.has_chunk() ? 1 : 0;
    return chunks;
  }
  std::unique_ptr<Watch> StartWatch(const std::string& token) {
    auto watch = std::make_unique<Watch>();
    watch->call = WatchCall::Create(Caller{"ipv4:127.0.0.1:7", {}, nullptr}, environment_, &watch->transport);
    v1::WatchSessionRequest request;
    request.set_session_id(started_.session_id());
    request.set_watch_token(token);
    watch->call->Start(request);
    return watch;
  }
  std::unique_ptr<Watch> StartWatch() { return StartWatch(started_.watch_token()); }

  v1::SessionStarted started_;
  int made_ = 0;
};

TEST_F(SessionWatchTest, AWatcherSeesTheOwnersChunksFromTheNextOneOnAndTheEnd) {
  v1::SessionConfig config = Config(4);
  StartSession(config);
  MakeChunks(1);
  WaitUntilBlocked();
  const auto watch = StartWatch();
  MakeChunks(1);
  while (watch->Read()) {
  }
  MakeChunks(2);
  ReadToTheEnd();
  watch->ReadToTheEnd();
  EXPECT_TRUE(watch->transport.end()->ok()) << watch->transport.end()->error_message();
  EXPECT_THAT(watch->transport.Sequences(), ElementsAre(1, 2, 3));
  for (const v1::VideoChunk& chunk : watch->transport.Chunks()) {
    for (const v1::StreamVideoResponse& response : transport_.responses()) {
      if (response.has_chunk() && response.chunk().sequence() == chunk.sequence()) {
        EXPECT_EQ(response.chunk().payload(), chunk.payload());
      }
    }
  }
  EXPECT_EQ(watch->transport.responses().back().finished().chunks(), 4);
  const v1::SessionStarted started = watch->transport.responses().front().started();
  EXPECT_EQ(started.session_id(), started_.session_id());
  EXPECT_THAT(started.resume_token(), IsEmpty()) << "a watcher has no say";
  EXPECT_EQ(rpc_metrics_.watchers->Value(), 0);
}

TEST_F(SessionWatchTest, AWatcherHearsOfTheOwnersDeadlineMisses) {
  v1::SessionConfig config = Config(3);
  config.mutable_playout()->mutable_start_buffer()->set_seconds(0);
  StartSession(config);
  const auto watch = StartWatch();
  MakeChunks(1);
  clock_.Advance(absl::Seconds(1));
  MakeChunks(1);  // which is due when chunk 0 has played: 9 frames at 16 per second
  MakeChunks(1);  // after 12 more
  ReadToTheEnd();
  watch->ReadToTheEnd();
  EXPECT_EQ(transport_.responses().back().finished().deadline_misses(), 1);
  EXPECT_EQ(watch->transport.responses().back().finished().deadline_misses(), 1);
}

TEST_F(SessionWatchTest, TheFirstChunkOfEveryWatcherHasTheInitSegment) {
  v1::SessionConfig config = Config(3);
  config.mutable_output()->set_codec(v1::CODEC_H264);
  config.mutable_output()->set_first_fragment_frames(1);  // which is its owner's alone
  StartSession(config);
  const auto early = StartWatch();
  MakeChunks(1);
  WaitUntilBlocked();
  while (early->Read()) {
  }
  const auto late = StartWatch();
  while (late->Read()) {
  }
  MakeChunks(2);
  ReadToTheEnd();
  for (Watch* watch : {early.get(), late.get()}) watch->ReadToTheEnd();
  EXPECT_THAT(early->transport.Chunks()[0].init_segment(), HasSubstr("ftyp"));
  EXPECT_THAT(early->transport.Chunks()[1].init_segment(), IsEmpty());
  EXPECT_THAT(early->transport.FirstFragments(), IsEmpty());
  EXPECT_THAT(transport_.FirstFragments(), SizeIs(1));
  EXPECT_EQ(late->transport.Chunks()[0].sequence(), 1);
  EXPECT_EQ(late->transport.Chunks()[0].init_segment(), early->transport.Chunks()[0].init_segment());
}

TEST_F(SessionWatchTest, ASlowWatcherIsDroppedToALaterChunkAndTheOwnerMissesNothing) {
  StartSession(Config(8));
  const auto watch = StartWatch();
  MakeChunks(6);  // while it does not even take its `started`
  ASSERT_TRUE(WaitUntil([this] { return rpc_metrics_.watch_chunks_skipped_total->Value() == 4; }));
  while (watch->Read()) {
  }
  EXPECT_THAT(watch->transport.Sequences(), ElementsAre(0, 5));
  MakeChunks(2);
  ReadToTheEnd();
  EXPECT_EQ(Chunks(), 8);
  watch->ReadToTheEnd();
  EXPECT_THAT(watch->transport.Sequences(), ElementsAre(0, 5, 6, 7));
}

TEST_F(SessionWatchTest, ItTakesTheWatchTokenOfThatSession) {
  StartSession(Config(0));
  for (const std::string& token :
       {started_.resume_token(), tokens_.Make(TokenKind::kWatch, "session-2", ""), std::string()}) {
    const auto watch = StartWatch(token);
    ASSERT_TRUE(watch->transport.end().has_value());
    EXPECT_EQ(watch->transport.end()->error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(watch->transport.end()->error_details(), HasSubstr("WATCH_TOKEN_INVALID"));
  }
}

TEST_F(SessionWatchTest, WatchersAreCountedAndLimited) {
  environment_.limits.max_watchers_per_session = 2;
  call_ =
      SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:5", {}, nullptr}, environment_, &transport_);
  StartSession(Config(0));
  const auto first = StartWatch(), second = StartWatch(), third = StartWatch();
  ASSERT_TRUE(third->transport.end().has_value());
  EXPECT_EQ(third->transport.end()->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(third->transport.end()->error_details(), HasSubstr("TOO_MANY_WATCHERS"));
  EXPECT_EQ(rpc_metrics_.watchers->Value(), 2);
  first->call->OnCancel();
  EXPECT_EQ(rpc_metrics_.watchers->Value(), 1);
}

TEST_F(SessionWatchTest, WatchersOfAllSessionsAreLimitedTogetherWhateverTheMetricSays) {
  StartSession(Config(0));
  const auto first = StartWatch(), second = StartWatch(), third = StartWatch();
  EXPECT_FALSE(third->transport.end().has_value());
  rpc_metrics_.watchers->Set(0);
  const auto fourth = StartWatch();
  ASSERT_TRUE(fourth->transport.end().has_value());
  EXPECT_THAT(fourth->transport.end()->error_message(), HasSubstr("the server has 3 watchers"));
  EXPECT_THAT(fourth->transport.end()->error_details(), HasSubstr("TOO_MANY_WATCHERS"));
  third->call->OnCancel();
  const auto fifth = StartWatch();
  EXPECT_FALSE(fifth->transport.end().has_value());
}

TEST_F(SessionWatchTest, AWatcherHearsHowTheSessionEndsWhateverEndsIt) {
  StartSession(Config(0));
  const auto watch = StartWatch();
  call_->OnCancel();
  watch->ReadToTheEnd();
  EXPECT_EQ(watch->transport.end()->error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace videodiffcr
