// One call between a transport that the test plays and a real scheduler around the fake model: what crosses on its way,
// what comes too late, and that the transport is used by its rules.
#include "server/rpc/session_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "prometheus/text_serializer.h"
#include "tests/fakes/fake_video_model.h"
#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Response = v1::StreamVideoResponse;

// Remembers what it was asked to do; a write is in flight until the test says that it is done.
class FakeTransport final : public CallTransport {
 public:
  void Write(const grpc::ByteBuffer* bytes) override {
    grpc::Slice slice;
    EXPECT_TRUE(bytes->DumpToSingleSlice(&slice).ok());
    Response response;
    EXPECT_TRUE(response.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    MutexLock lock(&mutex_);
    EXPECT_FALSE(writing_) << "two writes at once";
    EXPECT_FALSE(end_.has_value()) << "a write after the end";
    writing_ = true;
    responses_.push_back(std::move(response));
    changed_.NotifyAll();
  }
  void Read() override {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(end_.has_value()) << "a read after the end";
    ++reads_;
  }
  void SetAlarm(absl::Duration from_now) override {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(end_.has_value()) << "an alarm after the end";
    alarm_ = from_now;
  }
  void Cut() override {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(end_.has_value()) << "cut after the end";
    cut_ = true;
  }
  void Finish(const grpc::Status& status) override {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(end_.has_value()) << "ended twice";
    end_ = status;
    changed_.NotifyAll();
  }

  // False when neither a write nor the end comes within half a minute.
  bool WaitForWriteOrEnd() {
    return WaitFor([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return writing_ || end_.has_value(); });
  }
  // The write in flight is done; false when there is none.
  bool TakeWrite() {
    MutexLock lock(&mutex_);
    return std::exchange(writing_, false);
  }
  std::vector<Response> responses() const {
    MutexLock lock(&mutex_);
    return responses_;
  }
  std::optional<grpc::Status> end() const {
    MutexLock lock(&mutex_);
    return end_;
  }
  std::optional<absl::Duration> alarm() const {
    MutexLock lock(&mutex_);
    return alarm_;
  }
  bool cut() const {
    MutexLock lock(&mutex_);
    return cut_;
  }
  int reads() const {
    MutexLock lock(&mutex_);
    return reads_;
  }

 private:
  bool WaitFor(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    MutexLock lock(&mutex_);
    while (!done()) {
      if (std::chrono::steady_clock::now() >= give_up) return false;
      changed_.WaitFor(&mutex_, std::chrono::seconds(30));
    }
    return true;
  }

  mutable Mutex mutex_;
  CondVar changed_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Response> responses_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Duration> alarm_ ABSL_GUARDED_BY(mutex_);
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Runs a hook once, the next time that anybody asks for the time.
class HookedClock final : public Clock {
 public:
  void SetHook(std::function<void()> hook) {
    MutexLock lock(&mutex_);
    hook_ = std::move(hook);
  }
  absl::Time Now() const override {
    std::function<void()> hook;
    {
      MutexLock lock(&mutex_);
      hook = std::exchange(hook_, nullptr);
    }
    if (hook) hook();
    return clock_.Now();
  }
  void WaitUntil(absl::Time deadline, CondVar* condition, Mutex* mutex) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    clock_.WaitUntil(deadline, condition, mutex);
  }

 private:
  mutable Mutex mutex_;
  mutable std::function<void()> hook_ ABSL_GUARDED_BY(mutex_);
  ManualClock clock_;
};

v1::SessionConfig Config(int length_chunks) {
  v1::SessionConfig config;
  config.set_prompt("a red circle");
  config.set_seed(7);
  config.set_length_chunks(length_chunks);
  config.mutable_output()->set_codec(v1::CODEC_RAW_RGB24);
  return config;
}

v1::StreamVideoRequest Update(const std::string& prompt) {
  v1::StreamVideoRequest request;
  request.mutable_update()->set_prompt(prompt);
  return request;
}

class SessionCallTest : public ::testing::Test {
 protected:
  SessionCallTest() {
    SchedulerConfig config;
    config.check_invariants = true;
    scheduler_ = *Scheduler::Create(config, &model_, &scheduler_clock_, &scheduler_metrics_);
    environment_.limits.control_message_burst = 1000;
    environment_.model = &model_;
    environment_.scheduler = scheduler_.get();
    environment_.idle_timeout = absl::Seconds(60);
    environment_.clock = &clock_;
    environment_.registry = &registry_;
    environment_.rpc_metrics = &rpc_metrics_;
    environment_.delivery_metrics = &delivery_metrics_;
    call_ = SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:5", {}, nullptr}, environment_,
                                &transport_);
  }
  ~SessionCallTest() override {
    model_.FreePlans();
    scheduler_.reset();
    EXPECT_EQ(model_.live_sessions(), 0);
  }

  void FinishOneWrite() {
    ASSERT_TRUE(transport_.WaitForWriteOrEnd());
    if (transport_.TakeWrite()) call_->OnWriteDone(true);
  }
  // A viewer who reads to the end.
  void ReadToTheEnd() {
    while (!transport_.end().has_value()) ASSERT_NO_FATAL_FAILURE(FinishOneWrite());
  }
  // What nobody tells a test by itself is asked for until it is so.
  bool WaitUntil(const std::function<bool()>& done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (!done()) {
      if (absl::Now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }
  bool WaitUntilNoSessionRuns() {
    return WaitUntil([this] { return scheduler_->load().active_sessions == 0; });
  }
  bool WaitUntilAChunkWaits() {
    return WaitUntil([this] { return delivery_metrics_.send_buffer_bytes->Value() > 0; });
  }
  std::vector<v1::Warning> Warnings() const {
    std::vector<v1::Warning> warnings;
    for (const Response& response : transport_.responses()) {
      if (response.has_warning()) warnings.push_back(response.warning());
    }
    return warnings;
  }
  std::string Scrape() const { return prometheus::TextSerializer().Serialize(metrics_.Collect()); }
  std::string Controls(const std::string& result, const std::string& type, int count) const {
    return absl::StrCat("videodiffcr_control_messages_total{result=\"", result, "\",type=\"", type, "\"} ", count,
                        "\n");
  }

  ManualClock clock_;  // of the calls; the scheduler has its own, which stands still
  HookedClock scheduler_clock_;
  FakeVideoModel model_;
  prometheus::Registry metrics_;
  SchedulerMetrics scheduler_metrics_{&metrics_, "fake"};
  DeliveryMetrics delivery_metrics_{&metrics_, "fake"};
  RpcMetrics rpc_metrics_{&metrics_};
  SessionRegistry registry_{4};
  CallEnvironment environment_;
  FakeTransport transport_;
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<SessionCall> call_;
};

TEST_F(SessionCallTest, ASessionIsDescribedAsItWasAskedForAndAGoodOneIsNotWarned) {
  v1::SessionConfig config = Config(1);
  config.mutable_retention()->set_target(0.7);
  call_->Start(config);
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
  const v1::SessionStarted started = transport_.responses().front().started();
  EXPECT_EQ(started.model(), "fake");
  EXPECT_EQ(started.codec(), v1::CODEC_RAW_RGB24);
  EXPECT_EQ(started.container(), v1::CONTAINER_RAW);
  EXPECT_EQ(started.retention_target(), 0.7);
  EXPECT_EQ(started.seed(), 7u);
  EXPECT_THAT(Warnings(), SizeIs(0));
}

TEST_F(SessionCallTest, AChangeThatNoChunkIsLeftForIsAWarningAndCounted) {
  model_.HoldPlans();
  call_->Start(Config(0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  v1::StreamVideoRequest request;
  request.mutable_finish();
  call_->Control(request);
  call_->Control(Update("a blue square"));
  request.mutable_scene_cut();
  call_->Control(request);
  model_.FreePlans();
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok());
  ASSERT_THAT(Warnings(), SizeIs(2));
  EXPECT_EQ(Warnings()[0].reason(), "CHANGE_TOO_LATE");
  EXPECT_THAT(Scrape(), HasSubstr(Controls("accepted", "finish", 1)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 1)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "scene_cut", 1)));
}

TEST_F(SessionCallTest, AnyOtherControlThatFindsItsSessionGoneIsCountedAndNoMore) {
  call_->Start(Config(1));
  ASSERT_TRUE(WaitUntilNoSessionRuns());  // but its viewer has not read a word yet
  v1::StreamVideoRequest pause;
  pause.mutable_pause();
  call_->Control(pause);
  ReadToTheEnd();
  EXPECT_TRUE(transport_.end()->ok()) << transport_.end()->error_message();
  EXPECT_THAT(Warnings(), SizeIs(0));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "pause", 1)));
}

TEST_F(SessionCallTest, MoreChangesThanMayWaitForOneChunkEndTheCallWithAReasonOfTheirOwn) {
  model_.HoldPlans();
  call_->Start(Config(0));
  ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  for (int i = 0; i < 65; ++i) call_->Control(Update("a blue square"));
  model_.FreePlans();
  ReadToTheEnd();
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(transport_.end()->error_details(), HasSubstr("TOO_MANY_CHANGES"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("accepted", "update", 64)));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("rejected", "update", 1)));
}

TEST_F(SessionCallTest, AChunkThatIsHandedOverAfterItsDeadlineIsAMiss) {
  v1::SessionConfig config = Config(3);
  config.mutable_playout()->mutable_start_buffer()->set_seconds(0);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilNoSessionRuns());
  // Chunk 1 is due when chunk 0 has played: 9 frames at 16 per second; chunk 2 after 12 more.
  clock_.Advance(absl::Seconds(1));
  ReadToTheEnd();
  std::vector<v1::VideoChunk> chunks;
  for (const Response& response : transport_.responses()) {
    if (response.has_chunk()) chunks.push_back(response.chunk());
  }
  ASSERT_THAT(chunks, SizeIs(3));
  EXPECT_FALSE(chunks[0].has_slack());
  EXPECT_LT(chunks[1].slack().nanos(), 0);
  EXPECT_GT(chunks[2].slack().nanos(), 0);
  EXPECT_EQ(transport_.responses().back().finished().deadline_misses(), 1);
}

// A client may open its stream long before it knows what to ask for.
TEST_F(SessionCallTest, TheTimesOfASessionBeginWithItsFirstMessage) {
  clock_.Advance(absl::Seconds(5));
  call_->Start(Config(1));
  ReadToTheEnd();
  const v1::SessionFinished finished = transport_.responses().back().finished();
  EXPECT_EQ(finished.chunks(), 1);
  EXPECT_EQ(finished.wall_duration().seconds(), 0);
  EXPECT_EQ(finished.time_to_first_chunk().seconds(), 0);
}

TEST_F(SessionCallTest, ACancelledCallEndsOnceDropsWhatItHeldAndTakesItsSessionAlong) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  call_->ReadNext();
  EXPECT_EQ(transport_.reads(), 1);
  call_->OnCancel();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(delivery_metrics_.send_buffer_bytes->Value(), 0);
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  // What gRPC still has to say, and what was on its way.
  call_->OnWriteDone(false);
  call_->Control(Update("a blue square"));
  call_->Fail(absl::InternalError("too late"));
  call_->OnCancel();
  call_->ReadNext();
  EXPECT_EQ(transport_.reads(), 1);
  EXPECT_THAT(transport_.responses(), SizeIs(1));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
}

TEST_F(SessionCallTest, AFailureWaitsForTheWriteInFlightAndTheFirstOneStands) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  call_->Fail(absl::InternalError("first"));
  call_->Fail(absl::AbortedError("second"));
  EXPECT_FALSE(transport_.end().has_value());
  EXPECT_EQ(delivery_metrics_.send_buffer_bytes->Value(), 0) << "what waits is dropped";
  call_->Control(Update("a blue square"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
  EXPECT_TRUE(model_.WaitForLiveSessions(0));
  FinishOneWrite();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_message(), "first");
  EXPECT_THAT(transport_.responses(), SizeIs(1));
}

// Else the last bytes of ended sessions would pile up, each behind a client that has stopped.
TEST_F(SessionCallTest, AClientThatTakesNothingOfWhatIsLeftOfItsSessionIsCutOff) {
  call_->Start(Config(2));
  ASSERT_TRUE(model_.WaitForLiveSessions(0));
  ASSERT_TRUE(WaitUntil([this] { return transport_.alarm().has_value(); }));
  EXPECT_EQ(transport_.alarm(), absl::Seconds(60));
  call_->OnAlarm();
  EXPECT_TRUE(transport_.cut());
  call_->OnWriteDone(false);
  call_->OnCancel();
  ASSERT_TRUE(transport_.end().has_value());
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  call_->OnAlarm();  // late
}

TEST_F(SessionCallTest, AFailedCallWaitsForItsWriteInFlightNoLongerThanTheIdleTime) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(0);
  call_->Start(config);
  EXPECT_FALSE(transport_.alarm().has_value()) << "the session lives";
  call_->Fail(absl::InternalError("first"));
  EXPECT_EQ(transport_.alarm(), absl::Seconds(60));
}

TEST_F(SessionCallTest, ACallThatIsOverBeforeItsFirstMessageStartsNothing) {
  call_->Fail(absl::DeadlineExceededError("no first message"));
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  call_->Start(Config(0));
  EXPECT_FALSE(call_->started());
  EXPECT_EQ(scheduler_->load().active_sessions, 0);
  call_->Control(Update("a blue square"));
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "update", 0)));
}

TEST_F(SessionCallTest, AClientThatLeavesWhileItsSessionIsSubmittedTakesTheSessionAlong) {
  scheduler_clock_.SetHook([this] { call_->OnCancel(); });
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(0);
  call_->Start(config);
  EXPECT_EQ(transport_.end()->error_code(), grpc::StatusCode::CANCELLED);
  prometheus::Counter* const cancelled =
      scheduler_metrics_.of(PriorityClass::kStandard).sessions_total[static_cast<int>(SessionOutcome::kCancelled)];
  EXPECT_TRUE(WaitUntil([&] { return cancelled->Value() == 1; }));
}

TEST_F(SessionCallTest, AConnectionThatIsFullBeforeItsSessionHasAnIdHoldsTheSession) {
  scheduler_clock_.SetHook([this] { call_->OnBlockedChanged(true); });
  model_.HoldPlans();  // else the session might be over before it has its id
  call_->Start(Config(3));
  model_.FreePlans();
  const auto is_blocked = [this] {
    return transport_.responses().back().state_changed().state() == v1::SESSION_STATE_BLOCKED;
  };
  do {
    FinishOneWrite();
  } while (!transport_.end().has_value() && !is_blocked());
  ASSERT_TRUE(is_blocked());
  call_->OnBlockedChanged(false);
  ReadToTheEnd();
  EXPECT_EQ(transport_.responses().back().finished().chunks(), 3);
}

}  // namespace
}  // namespace videodiffcr
