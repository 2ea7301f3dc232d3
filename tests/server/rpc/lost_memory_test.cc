// Allocations that fail, one at a time, wherever a call makes them on its own thread: every call ends, and nothing of
// it is left, no session, no place and no thread that waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "server/rpc/first_message_room.h"
#include "server/rpc/session_call.h"
#include "server/rpc/watch_call.h"
#include "tests/fakes/failing_allocation.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::AnyOf;

// What the test itself remembers is not to fail.
class SparedTransport final : public CallTransport {
 public:
  void Write(const grpc::ByteBuffer* bytes) override {
    const SparedAllocations spared;
    transport_.Write(bytes);
  }
  void Read() override { transport_.Read(); }
  void SetAlarm(absl::Duration from_now) override { transport_.SetAlarm(from_now); }
  void Cut() override { transport_.Cut(); }
  void Finish(const grpc::Status& status) override {
    const SparedAllocations spared;
    transport_.Finish(status);
  }
  FakeTransport& told() { return transport_; }

 private:
  FakeTransport transport_;
};

struct SparedCall {
  SparedTransport transport;
  std::shared_ptr<SessionCall> call;

  // Takes what is written next.
  void Read() {
    ASSERT_TRUE(transport.told().WaitForWriteOrEnd());
    if (transport.told().TakeWrite()) call->OnWriteDone(true);
  }
  void ReadToTheEnd() {
    while (!transport.told().end().has_value()) ASSERT_NO_FATAL_FAILURE(Read());
  }
};

class LostMemoryTest : public CallFixture {
 protected:
  LostMemoryTest() { environment_.limits.disconnect_grace = absl::Seconds(30); }
  ~LostMemoryTest() override {
    model_.FreePlans();
    scheduler_.reset();  // before the calls, which its threads may be telling something
  }

  std::shared_ptr<SparedCall> NewCall() {
    auto call = std::make_shared<SparedCall>();
    kept_.push_back(call);
    call->call = SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:6", {}, nullptr}, environment_,
                                     &call->transport);
    return call;
  }
  // All of them have one id, so that one which stays is in the next one's way.
  static v1::SessionConfig NamedConfig(int length_chunks) {
    v1::SessionConfig config = Config(length_chunks);
    config.set_request_id("the-same");
    return config;
  }
  static void ExpectEnded(const std::optional<grpc::Status>& end) {
    ASSERT_TRUE(end.has_value());
    EXPECT_THAT(end->error_code(), AnyOf(grpc::StatusCode::OK, grpc::StatusCode::RESOURCE_EXHAUSTED));
    if (!end->ok()) {
      EXPECT_THAT(end->error_message(), ::testing::EndsWith(": no memory"));
    }
  }
  void ExpectNothingLeft() {
    ASSERT_TRUE(model_.WaitForLiveSessions(0));
    ASSERT_TRUE(WaitUntilNoSessionRuns());
  }

  std::vector<std::shared_ptr<void>> kept_;  // calls outlive whoever may still tell them something, as in gRPC
};

TEST_F(LostMemoryTest, WhicheverAllocationOfAStartFailsTheCallEndsAndNothingOfItIsLeft) {
  std::shared_ptr<SparedCall> call = NewCall();
  const v1::SessionConfig config = NamedConfig(1);
  const int64_t failures = WithEveryAllocationFailing([&] { call->call->Start(config); },
                                                      [&] {
                                                        call->ReadToTheEnd();
                                                        ExpectEnded(call->transport.told().end());
                                                        ExpectNothingLeft();
                                                        if (HasFatalFailure()) std::abort();  // it would not end
                                                        call = NewCall();
                                                      });
  EXPECT_GT(failures, 20);
}

TEST_F(LostMemoryTest, WhicheverAllocationBetweenTwoWritesFailsTheCallEnds) {
  std::shared_ptr<SparedCall> call = NewCall();
  call->call->Start(NamedConfig(2));
  const int64_t failures = WithEveryAllocationFailing(
      [&] {
        while (!call->transport.told().end().has_value()) {
          const bool writes = [&] {
            const SparedAllocations spared;
            return call->transport.told().WaitForWriteOrEnd() && call->transport.told().TakeWrite();
          }();
          if (writes) call->call->OnWriteDone(true);
          if (!writes && !call->transport.told().end().has_value()) return;
        }
      },
      [&] {
        call->ReadToTheEnd();
        ExpectEnded(call->transport.told().end());
        ExpectNothingLeft();
        if (HasFatalFailure()) std::abort();
        call = NewCall();
        call->call->Start(NamedConfig(2));
      });
  EXPECT_GT(failures, 10);
  call->ReadToTheEnd();
}

TEST_F(LostMemoryTest, WhicheverAllocationOfAGoodbyeFailsTheCallEndsAndAResumableSessionIsNotForgotten) {
  std::shared_ptr<SparedCall> call;
  const auto begin = [&] {
    v1::SessionConfig config = NamedConfig(0);
    config.set_resumable(true);
    config.set_initial_chunk_credits(0);
    call = NewCall();
    call->call->Start(config);
    call->Read();
  };
  begin();
  const int64_t failures = WithEveryAllocationFailing([&] { call->call->OnCancel(); },
                                                      [&] {
                                                        EXPECT_TRUE(call->transport.told().end().has_value());
                                                        clock_.Advance(absl::Seconds(31));
                                                        ExpectNothingLeft();
                                                        if (HasFailure()) std::abort();
                                                        begin();
                                                      });
  EXPECT_GT(failures, 2);
  call->call->Fail(absl::CancelledError("enough"));
}

struct SparedWatch {
  SparedTransport transport;
  std::shared_ptr<WatchCall> call;
};

TEST_F(LostMemoryTest, WhicheverAllocationOfAWatchFailsItEnds) {
  std::shared_ptr<SparedCall> owner = NewCall();
  v1::SessionConfig config = NamedConfig(0);
  config.set_initial_chunk_credits(0);
  owner->call->Start(config);
  ASSERT_TRUE(owner->transport.told().WaitForWriteOrEnd());
  v1::WatchSessionRequest request;
  request.set_session_id(owner->transport.told().responses().front().started().session_id());
  request.set_watch_token(owner->transport.told().responses().front().started().watch_token());
  std::shared_ptr<SparedWatch> watch;
  const auto begin = [&] {
    watch = std::make_shared<SparedWatch>();
    kept_.push_back(watch);
    watch->call = WatchCall::Create(Caller{"ipv4:127.0.0.1:7", {}, nullptr}, environment_, &watch->transport);
  };
  begin();
  const int64_t failures = WithEveryAllocationFailing(
      [&] { watch->call->Start(request); },
      [&] {
        EXPECT_TRUE(watch->transport.told().end().has_value() || watch->transport.told().TakeWrite());
        watch->call->OnCancel();
        EXPECT_EQ(rpc_metrics_.watchers->Value(), 0);
        begin();
      });
  EXPECT_GT(failures, 10);
  owner->call->Fail(absl::CancelledError("enough"));
}

TEST(LostMemoryInTheRoomTest, AStreamThatThereIsNoMemoryForHasNoPlaceInIt) {
  FirstMessageRoom room(1);
  const std::string connection = "ipv4:127.0.0.1:5, longer than what a string keeps in itself";
  FirstMessageRoom::Place place;
  const int64_t failures =
      WithEveryAllocationFailing([&] { place = room.Enter(connection, [] {}); }, [&] { place.Release(); });
  EXPECT_GT(failures, 2);
  int crowded_out = 0;
  const FirstMessageRoom::Place first = room.Enter("another", [&] { ++crowded_out; });
  const FirstMessageRoom::Place second = room.Enter("a third", [] {});
  EXPECT_EQ(crowded_out, 1);
}

}  // namespace
}  // namespace videodiffcr
