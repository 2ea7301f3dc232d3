// Calls on transports that the test plays, and a real scheduler around the fake model.
#ifndef VIDEODIFFCR_TESTS_SERVER_RPC_CALL_FIXTURE_H_
#define VIDEODIFFCR_TESTS_SERVER_RPC_CALL_FIXTURE_H_

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
#include "server/rpc/session_call.h"
#include "server/rpc/session_directory.h"
#include "tests/fakes/fake_video_model.h"
#include "tests/fakes/manual_clock.h"

namespace videodiffcr {

// Remembers what it was asked to do; a write is in flight until the test says that it is done.
class FakeTransport final : public CallTransport {
 public:
  void Write(const grpc::ByteBuffer* bytes) override {
    grpc::Slice slice;
    EXPECT_TRUE(bytes->DumpToSingleSlice(&slice).ok());
    v1::StreamVideoResponse response;
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
  std::vector<v1::StreamVideoResponse> responses() const {
    MutexLock lock(&mutex_);
    return responses_;
  }
  // Those that were written.
  std::vector<v1::VideoChunk> Chunks() const {
    std::vector<v1::VideoChunk> chunks;
    for (const v1::StreamVideoResponse& response : responses()) {
      if (response.has_chunk()) chunks.push_back(response.chunk());
    }
    return chunks;
  }
  std::vector<v1::FirstFragment> FirstFragments() const {
    std::vector<v1::FirstFragment> fragments;
    for (const v1::StreamVideoResponse& response : responses()) {
      if (response.has_first_fragment()) fragments.push_back(response.first_fragment());
    }
    return fragments;
  }
  std::vector<int64_t> Sequences() const {
    std::vector<int64_t> sequences;
    for (const v1::VideoChunk& chunk : Chunks()) sequences.push_back(chunk.sequence());
    return sequences;
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
  std::vector<v1::StreamVideoResponse> responses_ ABSL_GUARDED_BY(mutex_);
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

inline v1::SessionConfig Config(int length_chunks) {
  v1::SessionConfig config;
  config.set_prompt("a red circle");
  config.set_seed(7);
  config.set_length_chunks(length_chunks);
  config.mutable_output()->set_codec(v1::CODEC_RAW_RGB24);
  return config;
}

inline v1::SessionConfig WithFirstFragment(v1::SessionConfig config, int frames) {
  config.mutable_output()->set_first_fragment_frames(frames);
  return config;
}

inline v1::StreamVideoRequest Update(const std::string& prompt) {
  v1::StreamVideoRequest request;
  request.mutable_update()->set_prompt(prompt);
  return request;
}

class CallFixture : public ::testing::Test {
 protected:
  CallFixture() {
    SchedulerConfig config;
    config.check_invariants = true;
    scheduler_ = *Scheduler::Create(config, &model_, &scheduler_clock_, &scheduler_metrics_);
    environment_.limits.control_message_burst = 1000;
    environment_.model = &model_;
    environment_.scheduler = scheduler_.get();
    environment_.idle_timeout = absl::Seconds(60);
    environment_.clock = &clock_;
    environment_.registry = &registry_;
    environment_.watcher_registry = &watcher_registry_;
    environment_.directory = &directory_;
    environment_.tokens = &tokens_;
    environment_.snapshot_seal = &seal_;
    environment_.rpc_metrics = &rpc_metrics_;
    environment_.delivery_metrics = &delivery_metrics_;
    call_ = SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:5", {}, nullptr}, environment_,
                                &transport_);
  }
  ~CallFixture() override {
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
    for (const v1::StreamVideoResponse& response : transport_.responses()) {
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
  WatcherRegistry watcher_registry_{3, rpc_metrics_.watchers};
  SessionDirectory directory_{absl::Seconds(30), 16 << 20, &clock_};
  const SessionTokens tokens_{std::string(32, 'k')};
  const SnapshotSeal seal_{"the fake model", std::string(32, 's')};
  CallEnvironment environment_;
  FakeTransport transport_;
  std::unique_ptr<Scheduler> scheduler_;
  std::shared_ptr<SessionCall> call_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SERVER_RPC_CALL_FIXTURE_H_
