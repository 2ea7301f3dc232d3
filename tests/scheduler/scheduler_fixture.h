// A whole Scheduler around the fake model, for the threaded tests. Invariants are checked after every step; at the end
// nothing may be left in the model and no rule of the seams may have been broken.
#ifndef VIDEODIFFCR_TESTS_SCHEDULER_SCHEDULER_FIXTURE_H_
#define VIDEODIFFCR_TESTS_SCHEDULER_SCHEDULER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "prometheus/text_serializer.h"
#include "scheduler/scheduler.h"
#include "tests/fakes/fake_video_model.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/recording_sink.h"

namespace videodiffcr {

struct TestSession {
  SessionId id = 0;
  std::shared_ptr<SinkLog> log;
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() {
    config_.memory_budget_bytes = 100 * FakeVideoModel::SmallInfo().session_bytes;
    config_.check_invariants = true;
    config_.idle_timeout = absl::ZeroDuration();  // a test may let minutes pass; idleness_test.cc is about this
    config_.idle_grace = absl::ZeroDuration();
  }

  void Start() {
    metrics_ = std::make_unique<SchedulerMetrics>(&registry_, model_.info().name);
    auto scheduler = Scheduler::Create(config_, &model_, &clock_, metrics_.get());
    ASSERT_TRUE(scheduler.ok()) << scheduler.status();
    scheduler_ = *std::move(scheduler);
  }

  static SessionRequest Request(uint64_t seed, int64_t length_chunks) {
    SessionRequest request;
    request.prompt = "a red circle";
    request.seed = seed;
    request.length_chunks = length_chunks;
    return request;
  }

  TestSession Submit(SessionRequest request) {
    TestSession session;
    session.log = std::make_shared<SinkLog>();
    logs_.push_back(session.log);
    const auto id = scheduler_->Submit(std::move(request), std::make_unique<RecordingSink>(session.log));
    EXPECT_TRUE(id.ok()) << id.status();
    session.id = id.value_or(0);
    return session;
  }

  // Stops with everything let go, and checks what must always hold.
  void TearDown() override {
    model_.FreePlans();
    model_.FreeDecodes();
    for (const auto& log : logs_) log->ReleaseChunks();
    scheduler_.reset();
    EXPECT_EQ(model_.live_sessions(), 0);
    EXPECT_THAT(model_.broken_rules(), ::testing::IsEmpty());
    for (const auto& log : logs_) {
      EXPECT_FALSE(log->calls_overlapped());
      EXPECT_TRUE(log->destroyed());
    }
  }

  // Lets `count` plans through, each once it stands at the gate, and waits for the one after them. With HoldPlans()
  // only.
  void Step(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
      model_.ReleasePlans(1);
    }
    ASSERT_TRUE(model_.WaitForHeldPlan().has_value());
  }

  std::string Scrape() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  static std::vector<int64_t> Sequences(const TestSession& session) {
    std::vector<int64_t> sequences;
    for (const GeneratedChunk& chunk : session.log->chunks()) sequences.push_back(chunk.sequence);
    return sequences;
  }

  SchedulerConfig config_;
  FakeVideoModel model_;
  ManualClock clock_;
  prometheus::Registry registry_;
  std::unique_ptr<SchedulerMetrics> metrics_;
  std::vector<std::shared_ptr<SinkLog>> logs_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SCHEDULER_SCHEDULER_FIXTURE_H_
